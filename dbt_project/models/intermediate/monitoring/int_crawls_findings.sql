{{ config(materialized='ephemeral') }}

with

crawls as (

    select * from {{ ref('stg_moovitamix__landed_crawls') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

ranked as (

    select
        crawls.*,
        {{ seconds_between(present_time(), 'crawls.boundary_at') }} as ahead_seconds,
        row_number() over (order by crawls.boundary_at desc) as recency
    from crawls

),

judged as (

    select
        'boundary_ahead' as rule_name,
        'crawls' as subject,
        'the newest crawl is as of ' || {{ minute_text('ranked.boundary_at') }} || ', '
        || {{ number_text('round(ranked.ahead_seconds / 360) / 10') }}
        || ' h ahead of the clock; at most '
        || {{ number_text('thresholds.threshold') }} || ' min are expected' as message,
        cast(null as {{ type_key() }}) as run_id,
        -- when it was committed, unless that clock was ahead too
        case
            when ranked.committed_at < {{ present_time() }} then ranked.committed_at
            else {{ present_time() }}
        end as found_at
    from ranked
    inner join thresholds
        on
            thresholds.rule_name = 'boundary_ahead'
            and ranked.ahead_seconds > thresholds.threshold * 60
    where ranked.recency = 1

)

select * from judged
