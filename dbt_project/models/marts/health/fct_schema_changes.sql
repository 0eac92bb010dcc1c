with

schema_changes as (

    select * from {{ ref('stg_ops__schema_changes') }}

),

results as (

    select * from {{ ref('int_run_results_dated') }}

),

final as (

    select
        -- ids
        cast(schema_changes.run_id as {{ type_key() }}) as run_id,

        -- attributes
        cast(schema_changes.description as {{ dbt.type_string() }}) as description,

        -- timestamps
        cast(results.known_at as {{ dbt.type_timestamp() }}) as changed_at
    from schema_changes
    inner join results
        on
            schema_changes.run_id = results.run_id
            and results.step_name = 'load'

)

select * from final
