with

plays as (

    select * from {{ ref('int_events_plays') }}

),

tracks as (

    select * from {{ ref('stg_moovitamix__tracks') }}

),

first_plays as (

    select
        source_name,
        track_id,
        min(landed_at) as first_landed_at
    from plays
    group by
        source_name,
        track_id

),

-- as the API describes them, from the first play on: incremental builds have passed
-- what began before
played as (

    select
        -- ids
        first_plays.source_name,
        first_plays.track_id,

        -- attributes
        tracks.track_name,
        tracks.artist_name,
        tracks.songwriter_names,
        tracks.duration,
        tracks.genres,
        tracks.album_title,

        -- timestamps
        tracks.created_at,
        tracks.updated_at,
        greatest(tracks.valid_from, first_plays.first_landed_at) as valid_from,
        tracks.valid_to
    from first_plays
    inner join tracks
        on first_plays.track_id = tracks.track_id
    where
        tracks.valid_to is null
        or tracks.valid_to > first_plays.first_landed_at

)

select * from played
