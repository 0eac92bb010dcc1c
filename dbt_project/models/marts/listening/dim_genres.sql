{{ config(indexes=[{'columns': ['genre_key'], 'unique': true}]) }}

with

track_genres as (

    select * from {{ ref('int_track_genres_normalized') }}

),

user_genres as (

    select * from {{ ref('int_user_genres_normalized') }}

),

named_by_either as (

    select
        genre_key,
        source_name,
        genre_name,
        is_listed
    from track_genres

    union all

    select
        genre_key,
        source_name,
        genre_name,
        is_listed
    from user_genres

),

members as (

    select
        genre_key,
        source_name,
        genre_name,
        is_listed
    from named_by_either
    group by
        genre_key,
        source_name,
        genre_name,
        is_listed

    union all

    -- the unknown member, for tracks and users without a genre
    select
        {{ unknown_key() }} as genre_key,
        'unknown' as source_name,
        null as genre_name,
        false as is_listed

)

select * from members
