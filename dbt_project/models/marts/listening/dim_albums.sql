{{ config(indexes=[{'columns': ['album_key'], 'unique': true}]) }}

with

tracks as (

    select * from {{ ref('int_tracks_versioned') }}

),

members as (

    -- one spelling of several, always the same one
    select
        album_key,
        artist_key,
        source_name,
        min({{ in_byte_order('album_title') }}) as album_title,
        min({{ in_byte_order('artist_name') }}) as artist_name,
        min(first_observed_at) as first_observed_at
    from tracks
    where album_title is not null
    group by
        album_key,
        artist_key,
        source_name

    union all

    -- the unknown member, for tracks without an album
    select
        {{ unknown_key() }} as album_key,
        {{ unknown_key() }} as artist_key,
        'unknown' as source_name,
        null as album_title,
        null as artist_name,
        null as first_observed_at

)

select * from members
