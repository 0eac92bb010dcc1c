with

steps as (

    select * from {{ ref('int_steps_compared') }}

),

final as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,
        cast(step_name as {{ dbt.type_string() }}) as step_name,

        -- attributes
        cast(status as {{ dbt.type_string() }}) as status,
        cast(message as {{ dbt.type_string() }}) as message,

        -- measures
        cast(duration_seconds as {{ dbt.type_float() }}) as duration_seconds,
        cast(cpu_seconds as {{ dbt.type_float() }}) as cpu_seconds,
        cast(peak_memory_bytes as {{ dbt.type_bigint() }}) as peak_memory_bytes,
        cast(read_bytes as {{ dbt.type_bigint() }}) as read_bytes,
        cast(written_bytes as {{ dbt.type_bigint() }}) as written_bytes,
        cast(usual_seconds as {{ dbt.type_float() }}) as usual_seconds,
        cast(p95_seconds as {{ dbt.type_float() }}) as p95_seconds,
        cast(usual_count as {{ dbt.type_int() }}) as usual_count,

        -- booleans
        cast(is_slow as {{ dbt.type_boolean() }}) as is_slow,

        -- timestamps
        cast(started_at as {{ dbt.type_timestamp() }}) as started_at,
        cast(ended_at as {{ dbt.type_timestamp() }}) as ended_at
    from steps

)

select
    run_id,
    step_name,
    status,
    message,
    duration_seconds,
    cpu_seconds,
    peak_memory_bytes,
    read_bytes,
    written_bytes,
    usual_seconds,
    p95_seconds,
    usual_count,
    is_slow,
    started_at,
    ended_at
from final
