with

plays as (

    select * from {{ ref('int_events_plays') }}

),

users as (

    select * from {{ ref('stg_moovitamix__users') }}

),

first_plays as (

    select
        source_name,
        user_id,
        min(landed_at) as first_landed_at
    from plays
    group by
        source_name,
        user_id

),

-- as the API describes them, from the first play on: incremental builds have passed
-- what began before
played as (

    select
        -- ids
        first_plays.source_name,
        first_plays.user_id,

        -- attributes
        users.gender,
        users.favorite_genres,

        -- timestamps
        users.created_at,
        users.updated_at,
        greatest(users.valid_from, first_plays.first_landed_at) as valid_from,
        users.valid_to
    from first_plays
    inner join users
        on first_plays.user_id = users.user_id
    where
        users.valid_to is null
        or users.valid_to > first_plays.first_landed_at

)

select * from played
