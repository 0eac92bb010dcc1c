{#- Hangs on tables that are never replaced, so that it stays where one of them is built
    alone. -#}
with

measured as (

    select * from {{ ref('int_quality_measured') }}

),

loads as (

    select * from {{ ref('stg_ops__loads') }}

),

column_profiles as (

    select * from {{ ref('stg_ops__column_profiles') }}

),

steps as (

    select * from {{ ref('stg_ops__steps') }}

),

crawls as (

    select
        crawl_id,
        boundary_at
    from measured
    where measure = 'ingestion_latency_seconds'

),

nulls as (

    select
        crawls.crawl_id,
        crawls.boundary_at,
        column_profiles.table_name,
        'nulls' as measure,
        column_profiles.column_name as detail,
        column_profiles.null_count as value
    from crawls
    inner join loads on crawls.crawl_id = loads.crawl_id
    inner join column_profiles
        on
            loads.run_id = column_profiles.run_id
            and loads.table_name = column_profiles.table_name

),

loaded_crawls as (

    select
        run_id,
        crawl_id
    from loads
    group by run_id, crawl_id

),

-- a crawl's load, and each build that could show it
events as (

    select
        loaded_crawls.crawl_id,
        steps.ended_at as happened_at,
        cast(null as {{ dbt.type_timestamp() }}) as built_at
    from loaded_crawls
    inner join steps
        on
            loaded_crawls.run_id = steps.run_id
            and steps.step_name = 'load'
            and steps.ended_at is not null

    union all

    select
        cast(null as {{ dbt.type_string() }}) as crawl_id,
        started_at as happened_at,
        ended_at as built_at
    from steps
    where
        step_name = 'build'
        and status = 'succeeded'

),

shown as (

    select
        crawl_id,
        happened_at as landed_at,
        -- from the newest on: PostgreSQL keeps a minimum of what came before as it goes
        min(built_at) over (
            order by happened_at desc
            rows between unbounded preceding and current row
        ) as built_at
    from events

),

transform_delays as (

    select
        crawls.crawl_id,
        crawls.boundary_at,
        'crawls' as table_name,
        'transform_delay_seconds' as measure,
        '' as detail,
        {{ seconds_between('shown.landed_at', 'shown.built_at') }} as value
    from crawls
    inner join shown on crawls.crawl_id = shown.crawl_id
    where shown.built_at is not null

),

figures as (

    select
        crawl_id,
        boundary_at,
        table_name,
        measure,
        detail,
        value
    from measured

    union all

    select * from nulls

    union all

    select * from transform_delays

)

select * from figures
