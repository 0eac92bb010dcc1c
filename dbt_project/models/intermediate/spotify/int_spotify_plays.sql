with

streams as (

    select * from {{ ref('int_spotify_streams_identified') }}

),

plays as (

    select
        -- ids
        source_name,
        user_id,
        track_id,

        -- attributes
        track_name,
        artist_name,
        album_title,

        -- booleans
        has_own_id,

        -- timestamps
        ended_at,
        landed_at as first_landed_at
    from streams
    where is_play

)

select * from plays
