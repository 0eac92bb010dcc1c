with

runs as (

    select * from {{ ref('stg_ops__runs') }}

),

followed as (

    select
        runs.*,
        lag(runs.started_at) over (order by runs.started_at) as previous_started_at
    from runs

),

final as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,

        -- attributes
        cast(command as {{ dbt.type_string() }}) as command,
        cast(trigger as {{ dbt.type_string() }}) as trigger,
        cast(code_version as {{ dbt.type_string() }}) as code_version,
        cast(host as {{ dbt.type_string() }}) as host,
        cast(status as {{ dbt.type_string() }}) as status,
        cast(failed_step as {{ dbt.type_string() }}) as failed_step,
        cast(message as {{ dbt.type_string() }}) as message,
        cast(started_at as date) as started_date,

        -- measures
        cast(attempt as {{ dbt.type_int() }}) as attempt,
        cast(
            {{ seconds_between('started_at', 'ended_at') }} as {{ dbt.type_float() }}
        ) as duration_seconds,
        cast(
            case
                when previous_started_at is null then 0
                else
                    greatest(
                        0,
                        {{ dbt.datediff('previous_started_at', 'started_at', 'day') }}
                        - 1
                    )
            end as {{ dbt.type_int() }}
        ) as missed_days,

        -- timestamps
        cast(started_at as {{ dbt.type_timestamp() }}) as started_at,
        cast(ended_at as {{ dbt.type_timestamp() }}) as ended_at,
        cast(previous_started_at as {{ dbt.type_timestamp() }}) as previous_started_at
    from followed

)

select
    run_id,
    command,
    trigger,
    code_version,
    host,
    status,
    failed_step,
    message,
    started_date,
    attempt,
    duration_seconds,
    missed_days,
    started_at,
    ended_at,
    previous_started_at
from final
