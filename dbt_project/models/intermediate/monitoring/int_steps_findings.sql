{{ config(materialized='ephemeral') }}

with

steps as (

    select * from {{ ref('int_steps_compared') }}

),

judged as (

    select
        'step_slow' as rule_name,
        step_name as subject,
        'step ' || step_name
        || case when status = 'running' then ' has been running for ' else ' took ' end
        || {{ number_text('round(elapsed_seconds)') }} || ' s, '
        || {{ number_text('round(elapsed_seconds / p95_seconds * 10) / 10') }}
        || ' × its p95 of '
        || {{ number_text('round(p95_seconds * 10) / 10') }} || ' s over '
        || usual_count || ' runs' as message,
        run_id,
        started_at as found_at
    from steps
    where
        recency = 1
        and is_slow

)

select * from judged
