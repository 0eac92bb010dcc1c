{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('recommendations', 'canary_users') }}

),

renamed as (

    select
        -- ids
        cast(canary_id as {{ type_key() }}) as canary_id,
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(user_id as {{ dbt.type_string() }}) as user_id
    from source

)

select * from renamed
