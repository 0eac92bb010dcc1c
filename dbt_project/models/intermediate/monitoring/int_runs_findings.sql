{% set last_runs = 10 %}
{{ config(materialized='ephemeral') }}

with

runs as (

    select * from {{ ref('stg_ops__runs') }}

),

steps as (

    select * from {{ ref('stg_ops__steps') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

-- a run that somebody interrupted is neither good nor bad
ended_runs as (

    select
        runs.*,
        row_number() over (order by runs.started_at desc) as recency
    from runs
    where runs.status in ('succeeded', 'failed', 'died')

),

ended_steps as (

    select * from steps
    where status in ('succeeded', 'failed', 'died')

),

broken_runs as (

    select run_id
    from ended_steps
    where status <> 'succeeded'
    group by run_id

),

-- the steps, and the run itself where none of its steps says why it failed
outcomes as (

    select
        run_id,
        step_name as subject,
        'step ' || step_name as subject_text,
        status,
        message,
        started_at
    from ended_steps

    union all

    select
        ended_runs.run_id,
        'run' as subject,
        'the run' as subject_text,
        ended_runs.status,
        ended_runs.message,
        ended_runs.started_at
    from ended_runs
    left join broken_runs on ended_runs.run_id = broken_runs.run_id
    where broken_runs.run_id is null

),

remembered as (

    select
        outcomes.*,
        max(case when outcomes.status = 'succeeded' then outcomes.started_at end) over (
            partition by outcomes.subject
        ) as last_succeeded_at
    from outcomes

),

-- what has not succeeded since
failing as (

    select
        remembered.*,
        count(*) over (partition by remembered.subject) as failure_count,
        min(remembered.started_at) over (partition by remembered.subject) as found_at,
        row_number() over (
            partition by remembered.subject order by remembered.started_at desc
        ) as recency
    from remembered
    where
        remembered.last_succeeded_at is null
        or remembered.started_at > remembered.last_succeeded_at

),

failures as (

    select
        'run_failed' as rule_name,
        failing.subject,
        failing.subject_text
        || case
            when failing.status = 'died' then ' died without a word' else ' failed'
        end
        || case
            when failing.failure_count > 1
                then ' (' || failing.failure_count || ' times in a row, last at '
            else ' (at '
        end
        || {{ minute_text('failing.started_at') }} || ')'
        || coalesce(
            ': ' || substr({{ collapse_whitespace('failing.message') }}, 1, 400), ''
        ) as message,
        failing.run_id,
        failing.found_at
    from failing
    inner join thresholds
        on
            thresholds.rule_name = 'run_failed'
            and failing.failure_count >= thresholds.threshold
    where failing.recency = 1

),

rates as (

    select
        count(*) as run_count,
        sum(case when status = 'succeeded' then 1 else 0 end) as succeeded_count,
        max(case when status <> 'succeeded' then started_at end) as last_failed_at
    from ended_runs
    where recency <= {{ last_runs }}

),

success_rates as (

    select
        'success_rate' as rule_name,
        'runs' as subject,
        rates.succeeded_count || ' of the last ' || rates.run_count
        || ' runs succeeded; at least '
        || {{ number_text('round(thresholds.threshold * 100)') }}
        || ' % are expected to' as message,
        cast(null as {{ type_key() }}) as run_id,
        rates.last_failed_at as found_at
    from rates
    inner join thresholds
        on
            thresholds.rule_name = 'success_rate'
            and rates.run_count >= thresholds.minimum_history
            and rates.succeeded_count < thresholds.threshold * rates.run_count

),

-- what is to happen each day; to prune, to train or to import is no day
begun_runs as (

    select
        run_id,
        started_at,
        lag(started_at) over (order by started_at) as previous_started_at,
        row_number() over (order by started_at desc) as recency
    from runs
    where
        command like 'listenhouse run%'
        or command like 'dlt pipeline listen_history run%'

),

-- between the last two runs, and since the last
gaps as (

    select
        run_id,
        previous_started_at as found_at,
        'before the run of ' || {{ minute_text('started_at') }} as place,
        {{ seconds_between('previous_started_at', 'started_at') }} as gap_seconds,
        2 as preference
    from begun_runs
    where recency = 1

    union all

    select
        cast(null as {{ type_key() }}) as run_id,
        started_at as found_at,
        'since that of ' || {{ minute_text('started_at') }} as place,
        {{ seconds_between('started_at', present_time()) }} as gap_seconds,
        1 as preference
    from begun_runs
    where recency = 1

),

long_gaps as (

    select
        gaps.*,
        thresholds.threshold,
        row_number() over (order by gaps.preference) as recency
    from gaps
    inner join thresholds
        on
            thresholds.rule_name = 'run_missed'
            and gaps.gap_seconds > thresholds.threshold * 3600

),

missed_runs as (

    select
        'run_missed' as rule_name,
        'runs' as subject,
        'no run for ' || {{ number_text('floor(gap_seconds / 3600)') }} || ' h '
        || place || '; one is expected every '
        || {{ number_text('threshold') }} || ' h' as message,
        run_id,
        found_at
    from long_gaps
    where recency = 1

),

judged as (

    select * from failures

    union all

    select * from success_rates

    union all

    select * from missed_runs

)

select * from judged
