{{ config(materialized='incremental', unique_key='track_key') }}

with

tracks as (

    select * from {{ ref('dim_tracks') }}

),

track_genres as (

    select * from {{ ref('int_track_genres_normalized') }}

),

-- a track without a genre stands with the unknown one, so that no join loses it
bridged as (

    select
        tracks.track_key,
        coalesce(track_genres.genre_key, {{ unknown_key() }}) as genre_key,
        tracks.source_name,
        tracks.track_id,
        row_number() over (
            partition by tracks.track_key
            order by track_genres.position, track_genres.genre_key
        ) as position,
        count(*) over (partition by tracks.track_key) as genre_count
    from tracks
    left join track_genres
        on tracks.track_key = track_genres.track_key
    {% if is_incremental() -%}
    where {{ is_since_build(['tracks.first_observed_at']) }}
    {%- endif %}

),

final as (

    select
        -- keys
        track_key,
        genre_key,

        -- ids
        source_name,
        track_id,

        -- measures
        cast(position as {{ dbt.type_int() }}) as position,
        cast(genre_count as {{ dbt.type_int() }}) as genre_count
    from bridged

)

select * from final
