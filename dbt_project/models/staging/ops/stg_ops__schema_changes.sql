{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'schema_changes') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,

        -- attributes
        cast(description as {{ dbt.type_string() }}) as description
    from source

)

select * from renamed
