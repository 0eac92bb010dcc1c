{{ config(materialized='ephemeral') }}

with

measured as (

    select * from {{ ref('int_quality_measured') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

ranked as (

    select
        measured.*,
        rank() over (order by measured.boundary_at desc) as recency
    from measured

),

last_crawl as (

    select * from ranked
    where recency = 1

),

built as (

    select {{ model_published_until('fct_listens') }} as boundary_at

),

-- the crawl that the marts are as of; what is measured may be of others
crawl as (

    select coalesce(measured.committed_at, built.boundary_at) as committed_at
    from built
    left join measured
        on
            built.boundary_at = measured.boundary_at
            and measured.measure = 'ingestion_latency_seconds'

),

stale as (

    select
        'data_stale' as rule_name,
        'marts' as subject,
        'the newest data of the marts was landed '
        || {{ number_text(
            'floor(' ~ seconds_between('crawl.committed_at', present_time()) ~ ' / 3600)'
        ) }}
        || ' h ago, at ' || {{ minute_text('crawl.committed_at') }} || '; at most '
        || {{ number_text('thresholds.threshold') }} || ' h are expected' as message,
        crawl.committed_at as found_at
    from crawl
    inner join thresholds
        on
            thresholds.rule_name = 'data_stale'
            and {{ seconds_between('crawl.committed_at', present_time()) }}
            > thresholds.threshold * 3600

),

orphaned as (

    select
        orphans.table_name,
        orphans.value as orphan_count,
        orphans.value / nullif(orphans.value + known.value, 0) as orphan_share,
        orphans.boundary_at
    from last_crawl as orphans
    inner join last_crawl as known
        on
            orphans.table_name = known.table_name
            and known.measure = 'distinct_keys'
    where orphans.measure in ('orphan_users', 'orphan_tracks')

),

orphans as (

    select
        'orphans' as rule_name,
        orphaned.table_name as subject,
        'listens name ' || {{ number_text('orphaned.orphan_count') }} || ' '
        || orphaned.table_name || ' that have no record, '
        || {{ number_text('round(orphaned.orphan_share * 1000) / 10') }}
        || ' % of all; at most '
        || {{ number_text('round(thresholds.threshold * 1000) / 10') }}
        || ' % are expected' as message,
        orphaned.boundary_at as found_at
    from orphaned
    inner join thresholds
        on
            thresholds.rule_name = 'orphans'
            and orphaned.orphan_share > thresholds.threshold
            and orphaned.orphan_count >= thresholds.minimum_change

),

judged as (

    select * from stale

    union all

    select * from orphans

)

select * from judged
