{{ config(materialized='incremental', unique_key='track_key') }}

with

tracks as (

    select * from {{ ref('int_tracks_versioned') }}

),

genre_aliases as (

    select * from {{ ref('genre_aliases') }}

),

split as (

    select
        tracks.track_key,
        tracks.source_name,
        tracks.track_id,
        genre.position,
        {{ normalized_text('genre.element') }} as normalized_genre
    from tracks
    {{ cross_join_delimited('tracks.genres', ',', 'genre') }}
    {% if is_incremental() -%}
    where {{ is_since_build(['tracks.first_observed_at']) }}
    {%- endif %}

),

named as (

    select
        split.*,
        coalesce(genre_aliases.genre_name, split.normalized_genre) as genre_name,
        genre_aliases.genre_name is not null as is_listed
    from split
    left join genre_aliases
        on split.normalized_genre = genre_aliases.alias
    where split.normalized_genre is not null

),

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
