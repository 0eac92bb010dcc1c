{{ config(materialized='incremental', unique_key='user_key') }}

with

users as (

    select * from {{ ref('int_users_versioned') }}

),

genre_aliases as (

    select * from {{ ref('genre_aliases') }}

),

split as (

    select
        users.user_key,
        users.source_name,
        users.user_id,
        genre.position,
        {{ normalized_text('genre.element') }} as normalized_genre
    from users
    {{ cross_join_delimited('users.favorite_genres', ',', 'genre') }}
    {% if is_incremental() -%}
    where {{ is_since_build(['users.first_observed_at']) }}
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
        named.user_key,
        {{ surrogate_key(['named.source_name', 'named.genre_name']) }} as genre_key,

        -- ids
        named.source_name,
        named.user_id,

        -- attributes
        named.genre_name,

        -- measures
        min(named.position) as position,

        -- booleans
        named.is_listed
    from named
    group by
        named.user_key,
        named.source_name,
        named.user_id,
        named.genre_name,
        named.is_listed

)

select * from grouped
