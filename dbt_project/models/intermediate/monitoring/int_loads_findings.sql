{% set earlier_loads = 7 %}
{{ config(materialized='ephemeral') }}

with

loads as (

    select * from {{ ref('stg_ops__loads') }}

),

schema_changes as (

    select * from {{ ref('stg_ops__schema_changes') }}

),

results as (

    select * from {{ ref('int_step_runs') }}

),

landed_crawls as (

    select * from {{ ref('stg_moovitamix__landed_crawls') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

-- what a crawl was like that was withdrawn concerns nobody
withdrawn_runs as (

    select loads.run_id
    from loads
    left join landed_crawls on loads.crawl_id = landed_crawls.crawl_id
    where landed_crawls.crawl_id is null
    group by loads.run_id

),

standing_results as (

    select results.*
    from results
    left join withdrawn_runs on results.run_id = withdrawn_runs.run_id
    where
        results.step_name = 'load'
        and withdrawn_runs.run_id is null

),

histories as (

    select
        loads.*,
        standing_results.known_at,
        array_agg(loads.rejected_count) over (
            partition by loads.table_name order by standing_results.known_at
            rows between {{ earlier_loads }} preceding and 1 preceding
        ) as earlier_counts,
        count(*) over (
            partition by loads.table_name order by standing_results.known_at
            rows between {{ earlier_loads }} preceding and 1 preceding
        ) as earlier_load_count,
        row_number() over (
            partition by loads.table_name order by standing_results.known_at desc
        ) as recency
    from loads
    inner join standing_results on loads.run_id = standing_results.run_id

),

last_loads as (

    select
        histories.*,
        usual.median as usual_count
    from histories
    {{ cross_join_median('histories.earlier_counts', 'usual') }}
    where histories.recency = 1

),

rising as (

    select
        'quarantine_rising' as rule_name,
        last_loads.table_name as subject,
        'records of /' || last_loads.table_name || ' in quarantine: '
        || {{ number_text('last_loads.rejected_count') }} || ', usually '
        || {{ number_text('last_loads.usual_count') }} || ' (median of '
        || last_loads.earlier_load_count || ' loads before)' as message,
        last_loads.run_id,
        last_loads.known_at as found_at
    from last_loads
    inner join thresholds
        on
            thresholds.rule_name = 'quarantine_rising'
            and last_loads.earlier_load_count >= thresholds.minimum_history
            and last_loads.rejected_count
            > thresholds.threshold * last_loads.usual_count
            and last_loads.rejected_count - last_loads.usual_count
            >= thresholds.minimum_change

),

dated_changes as (

    select
        schema_changes.run_id,
        schema_changes.description,
        standing_results.known_at,
        row_number() over (
            partition by schema_changes.description
            order by standing_results.known_at desc
        ) as recency
    from schema_changes
    inner join standing_results on schema_changes.run_id = standing_results.run_id

),

changed as (

    select
        'schema_changed' as rule_name,
        dated_changes.description as subject,
        dated_changes.description as message,
        dated_changes.run_id,
        dated_changes.known_at as found_at
    from dated_changes
    inner join thresholds
        on
            thresholds.rule_name = 'schema_changed'
            and {{ seconds_between('dated_changes.known_at', present_time()) }}
            <= thresholds.threshold * 86400
    where dated_changes.recency = 1

),

judged as (

    select * from rising

    union all

    select * from changed

)

select * from judged
