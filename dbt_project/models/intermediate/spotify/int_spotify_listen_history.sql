with

plays as (

    select * from {{ ref('int_spotify_plays') }}

),

-- a record is what ended at one moment: two devices can stop in the same second
listen_history as (

    select
        -- ids
        source_name,
        user_id,

        -- attributes
        {{ list_as_json('track_id') }} as track_ids,
        'played_at' as updated_at_source,

        -- timestamps
        ended_at as created_at,
        ended_at as updated_at,
        first_landed_at as valid_from,
        cast(null as {{ dbt.type_timestamp() }}) as valid_to
    from plays
    group by
        source_name,
        user_id,
        ended_at,
        first_landed_at

)

select * from listen_history
