with

plays as (

    select * from {{ ref('int_spotify_plays') }}

),

users as (

    select
        -- ids
        source_name,
        user_id,

        -- attributes
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as favorite_genres,

        -- timestamps
        cast(null as {{ dbt.type_timestamp() }}) as created_at,
        cast(null as {{ dbt.type_timestamp() }}) as updated_at,
        min(first_landed_at) as valid_from,
        cast(null as {{ dbt.type_timestamp() }}) as valid_to
    from plays
    group by
        source_name,
        user_id

)

select * from users
