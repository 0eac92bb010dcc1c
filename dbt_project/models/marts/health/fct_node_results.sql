with

node_results as (

    select * from {{ ref('stg_ops__dbt_results') }}

),

results as (

    select * from {{ ref('int_run_results_dated') }}

),

final as (

    select
        -- ids
        cast(node_results.run_id as {{ type_key() }}) as run_id,
        cast(node_results.unique_id as {{ dbt.type_string() }}) as unique_id,

        -- attributes
        cast(node_results.node_name as {{ dbt.type_string() }}) as node_name,
        cast(node_results.resource_type as {{ dbt.type_string() }}) as resource_type,
        cast(node_results.status as {{ dbt.type_string() }}) as status,
        cast(node_results.message as {{ dbt.type_string() }}) as message,

        -- measures
        cast(node_results.duration_seconds as {{ dbt.type_float() }})
            as duration_seconds,
        cast(node_results.rows_affected as {{ dbt.type_bigint() }}) as rows_affected,
        cast(node_results.failures as {{ dbt.type_bigint() }}) as failures,

        -- timestamps
        cast(results.known_at as {{ dbt.type_timestamp() }}) as run_at
    from node_results
    inner join results
        on
            node_results.run_id = results.run_id
            and results.step_name = 'build'

)

select * from final
