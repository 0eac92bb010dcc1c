{{ config(materialized='incremental', unique_key='track_key') }}

with

tracks as (

    select * from {{ ref('int_tracks_versioned') }}

),

genre_aliases as (

    select * from {{ ref('genre_aliases') }}

),

new_tracks as (

    select * from tracks
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at']) }}
    {%- endif %}

),

{{ split_genres('new_tracks', 'track_key', 'genres') }}

-- a list may name a genre twice, or under two spellings
grouped as (

    select
        -- keys
        named.track_key,
        {{ surrogate_key(['named.source_name', 'named.genre_name']) }} as genre_key,

        -- ids
        named.source_name,
        named.track_id,

        -- attributes
        named.genre_name,

        -- measures
        min(named.position) as position,

        -- booleans
        named.is_listed
    from named
    group by
        named.track_key,
        named.source_name,
        named.track_id,
        named.genre_name,
        named.is_listed

)

select * from grouped
