{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'column_profiles') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,
        cast(table_name as {{ dbt.type_string() }}) as table_name,
        cast(column_name as {{ dbt.type_string() }}) as column_name,

        -- measures
        null_count
    from source

)

select * from renamed
