{{ config(indexes=[{'columns': ['artist_key'], 'unique': true}]) }}

with

tracks as (

    select * from {{ ref('int_tracks_versioned') }}

),

members as (

    -- one spelling of several, always the same one
    select
        artist_key,
        source_name,
        min({{ in_byte_order('artist_name') }}) as artist_name,
        min(first_observed_at) as first_observed_at
    from tracks
    where artist_name is not null
    group by
        artist_key,
        source_name

    union all

    -- the unknown member, for tracks without an artist
    select
        {{ unknown_key() }} as artist_key,
        'unknown' as source_name,
        null as artist_name,
        null as first_observed_at

)

select * from members
