with

node_results as (

    select * from {{ ref('stg_ops__dbt_results') }}

),

results as (

    select * from {{ ref('int_step_runs') }}

),

final as (

    select
        -- ids
        node_results.run_id,
        node_results.unique_id,

        -- attributes
        node_results.node_name,
        node_results.resource_type,
        node_results.status,
        node_results.message,

        -- measures
        cast(node_results.duration_seconds as {{ dbt.type_float() }})
            as duration_seconds,
        node_results.rows_affected,
        node_results.failures,

        -- timestamps
        cast(results.known_at as {{ dbt.type_timestamp() }}) as run_at
    from node_results
    inner join results
        on
            node_results.run_id = results.run_id
            and results.step_name = 'build'

)

select * from final
