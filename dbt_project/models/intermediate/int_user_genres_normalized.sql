{{ config(materialized='incremental', unique_key='user_key') }}

with

users as (

    select * from {{ ref('int_users_versioned') }}

),

genre_aliases as (

    select * from {{ ref('genre_aliases') }}

),

new_users as (

    select * from users
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at']) }}
    {%- endif %}

),

{{ split_genres('new_users', 'user_key', 'favorite_genres') }}

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
