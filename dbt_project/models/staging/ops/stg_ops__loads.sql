{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'loads') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,
        cast(crawl_id as {{ dbt.type_string() }}) as crawl_id,
        cast(table_name as {{ dbt.type_string() }}) as table_name,

        -- measures
        reported as reported_count,
        landed as landed_count,
        duplicates as duplicates_count,
        rejected as rejected_count,
        carried as carried_forward_count,
        forgotten as forgotten_count,
        opened as opened_count,
        closed as closed_count,
        job_count,
        job_bytes
    from source

)

select * from renamed
