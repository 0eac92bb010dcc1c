{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'dbt_results') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,
        cast(unique_id as {{ dbt.type_string() }}) as unique_id,

        -- attributes
        cast(name as {{ dbt.type_string() }}) as node_name,
        cast(resource_type as {{ dbt.type_string() }}) as resource_type,
        cast(status as {{ dbt.type_string() }}) as status,
        cast(message as {{ dbt.type_string() }}) as message,

        -- measures
        seconds as duration_seconds,
        rows_affected,
        failures
    from source

)

select * from renamed
