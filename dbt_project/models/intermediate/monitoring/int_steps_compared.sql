{#- The last of the 30 before may have failed: those count for nothing. -#}
{% set earlier_runs = 30 %}
{{ config(materialized='ephemeral') }}

with

steps as (

    select * from {{ ref('stg_ops__steps') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

timed as (

    select
        steps.*,
        {{ seconds_between('steps.started_at', 'steps.ended_at') }} as duration_seconds,
        -- one that hangs is noticed while it does
        case
            when steps.status = 'succeeded'
                then {{ seconds_between('steps.started_at', 'steps.ended_at') }}
            when steps.status = 'running'
                then {{ seconds_between('steps.started_at', present_time()) }}
        end as elapsed_seconds,
        case
            when steps.status = 'succeeded'
                then {{ seconds_between('steps.started_at', 'steps.ended_at') }}
        end as succeeded_seconds
    from steps

),

histories as (

    select
        timed.*,
        array_agg(timed.succeeded_seconds) over (
            partition by timed.step_name order by timed.started_at
            rows between {{ earlier_runs }} preceding and 1 preceding
        ) as earlier_seconds,
        count(timed.succeeded_seconds) over (
            partition by timed.step_name order by timed.started_at
            rows between {{ earlier_runs }} preceding and 1 preceding
        ) as usual_count,
        row_number() over (
            partition by timed.step_name order by timed.started_at desc
        ) as recency
    from timed

),

compared as (

    select
        histories.run_id,
        histories.step_name,
        histories.status,
        histories.message,
        histories.duration_seconds,
        histories.elapsed_seconds,
        histories.cpu_seconds,
        histories.peak_memory_bytes,
        histories.read_bytes,
        histories.written_bytes,
        earlier.median as median_seconds,
        earlier.p95 as p95_seconds,
        histories.usual_count,
        histories.recency,
        coalesce(
            histories.usual_count >= thresholds.minimum_history
            and histories.elapsed_seconds >= thresholds.threshold * earlier.p95
            and histories.elapsed_seconds - earlier.p95 >= thresholds.minimum_change,
            false
        ) as is_slow,
        histories.started_at,
        histories.ended_at
    from histories
    {{ cross_join_median_and_p95('histories.earlier_seconds', 'earlier') }}
    left join thresholds on thresholds.rule_name = 'step_slow'

)

select * from compared
