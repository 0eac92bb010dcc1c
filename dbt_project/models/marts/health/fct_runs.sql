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
        run_id,

        -- attributes
        command,
        trigger,
        code_version,
        host,
        status,
        failed_step,
        message,
        cast(started_at as date) as started_date,

        -- measures
        attempt,
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
        started_at,
        ended_at,
        previous_started_at
    from followed

)

select * from final
