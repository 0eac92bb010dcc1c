{{ config(materialized='incremental', unique_key='user_key') }}

with

users as (

    select * from {{ ref('dim_users') }}

),

user_genres as (

    select * from {{ ref('int_user_genres_normalized') }}

),

-- a user without a genre stands with the unknown one, so that no join loses it
bridged as (

    select
        users.user_key,
        coalesce(user_genres.genre_key, {{ unknown_key() }}) as genre_key,
        users.source_name,
        users.user_id,
        row_number() over (
            partition by users.user_key
            order by user_genres.position, user_genres.genre_key
        ) as position,
        count(*) over (partition by users.user_key) as genre_count
    from users
    left join user_genres
        on users.user_key = user_genres.user_key
    {% if is_incremental() -%}
    where {{ is_since_build(['users.first_observed_at']) }}
    {%- endif %}

),

final as (

    select
        -- keys
        user_key,
        genre_key,

        -- ids
        source_name,
        user_id,

        -- measures
        cast(position as {{ dbt.type_int() }}) as position,
        cast(genre_count as {{ dbt.type_int() }}) as genre_count
    from bridged

)

select * from final
