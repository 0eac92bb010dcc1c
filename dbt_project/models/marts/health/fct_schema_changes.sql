with

schema_changes as (

    select * from {{ ref('stg_ops__schema_changes') }}

),

results as (

    select * from {{ ref('int_step_runs') }}

),

final as (

    select
        -- ids
        schema_changes.run_id,

        -- attributes
        schema_changes.description,

        -- timestamps
        cast(results.known_at as {{ dbt.type_timestamp() }}) as changed_at
    from schema_changes
    inner join results
        on
            schema_changes.run_id = results.run_id
            and results.step_name = 'load'

)

select * from final
