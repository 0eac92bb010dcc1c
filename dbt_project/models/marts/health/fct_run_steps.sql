with

steps as (

    select * from {{ ref('int_steps_compared') }}

),

final as (

    select
        -- ids
        run_id,
        step_name,

        -- attributes
        status,
        message,

        -- measures
        duration_seconds,
        cpu_seconds,
        peak_memory_bytes,
        read_bytes,
        written_bytes,
        median_seconds,
        p95_seconds,
        cast(usual_count as {{ dbt.type_int() }}) as usual_count,

        -- booleans
        is_slow,

        -- timestamps
        started_at,
        ended_at
    from steps

)

select * from final
