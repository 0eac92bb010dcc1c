with

loads as (

    select * from {{ ref('stg_ops__loads') }}

),

results as (

    select * from {{ ref('int_run_results_dated') }}

),

final as (

    select
        -- ids
        cast(loads.run_id as {{ type_key() }}) as run_id,
        cast(loads.crawl_id as {{ dbt.type_string() }}) as crawl_id,
        cast(loads.table_name as {{ dbt.type_string() }}) as table_name,

        -- measures
        cast(loads.reported_count as {{ dbt.type_bigint() }}) as reported_count,
        cast(loads.landed_count as {{ dbt.type_bigint() }}) as landed_count,
        cast(loads.duplicates_count as {{ dbt.type_bigint() }}) as duplicates_count,
        cast(loads.rejected_count as {{ dbt.type_bigint() }}) as rejected_count,
        cast(loads.carried_count as {{ dbt.type_bigint() }}) as carried_count,
        cast(loads.forgotten_count as {{ dbt.type_bigint() }}) as forgotten_count,
        cast(loads.opened_count as {{ dbt.type_bigint() }}) as opened_count,
        cast(loads.closed_count as {{ dbt.type_bigint() }}) as closed_count,
        cast(loads.job_count as {{ dbt.type_int() }}) as job_count,
        cast(loads.job_bytes as {{ dbt.type_bigint() }}) as job_bytes,

        -- timestamps
        cast(results.known_at as {{ dbt.type_timestamp() }}) as loaded_at
    from loads
    inner join results
        on
            loads.run_id = results.run_id
            and results.step_name = 'load'

)

select * from final
