with

loads as (

    select * from {{ ref('stg_ops__loads') }}

),

results as (

    select * from {{ ref('int_step_runs') }}

),

final as (

    select
        -- ids
        loads.run_id,
        loads.crawl_id,
        loads.table_name,

        -- measures
        loads.reported_count,
        loads.landed_count,
        loads.duplicates_count,
        loads.rejected_count,
        loads.carried_forward_count,
        loads.forgotten_count,
        loads.opened_count,
        loads.closed_count,
        loads.job_count,
        loads.job_bytes,

        -- timestamps
        cast(results.known_at as {{ dbt.type_timestamp() }}) as loaded_at
    from loads
    inner join results
        on
            loads.run_id = results.run_id
            and results.step_name = 'load'

)

select * from final
