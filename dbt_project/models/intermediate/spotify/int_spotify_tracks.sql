with

plays as (

    select * from {{ ref('int_spotify_plays') }}

),

-- as it was called in the export that had its id first, by the last play there that
-- calls it something: what is imported later changes no version that facts point to
ranked as (

    select
        plays.*,
        min(plays.first_landed_at) over (
            partition by plays.source_name, plays.track_id
        ) as valid_from,
        row_number() over (
            partition by plays.source_name, plays.track_id
            order by
                case when plays.has_own_id then 0 else 1 end asc,
                plays.first_landed_at asc,
                case when plays.track_name is null then 1 else 0 end asc,
                plays.ended_at desc,
                plays.user_id asc
        ) as play_number
    from plays

),

tracks as (

    select
        -- ids
        source_name,
        track_id,

        -- attributes
        track_name,
        artist_name,
        cast(null as {{ dbt.type_string() }}) as songwriter_names,
        cast(null as {{ dbt.type_string() }}) as duration,
        cast(null as {{ dbt.type_string() }}) as genres,
        album_title,

        -- timestamps
        cast(null as {{ dbt.type_timestamp() }}) as created_at,
        cast(null as {{ dbt.type_timestamp() }}) as updated_at,
        valid_from,
        cast(null as {{ dbt.type_timestamp() }}) as valid_to
    from ranked
    where play_number = 1

)

select * from tracks
