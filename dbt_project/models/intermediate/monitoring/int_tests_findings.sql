{#- Of the last builds, so that years of results need not be read. -#}
{% set last_builds = 30 %}
{{ config(materialized='ephemeral') }}

with

node_results as (

    select * from {{ ref('stg_ops__dbt_results') }}

),

steps as (

    select * from {{ ref('stg_ops__steps') }}

),

-- what a build found is known at its end; at its beginning, where it died
builds as (

    select
        run_id,
        coalesce(ended_at, started_at) as known_at,
        row_number() over (order by started_at desc) as recency
    from steps
    where
        step_name = 'build'
        and status <> 'running'

),

tests as (

    select
        node_results.*,
        case
            when node_results.resource_type = 'unit_test'
                then
                    {{ dbt.split_part('node_results.unique_id', "'.'", 3) }}
                    || '.' || node_results.node_name
            else node_results.node_name
        end as subject,
        builds.known_at,
        max(builds.known_at) over () as last_built_at
    from node_results
    inner join builds
        on
            node_results.run_id = builds.run_id
            and builds.recency <= {{ last_builds }}
    where node_results.resource_type in ('test', 'unit_test')

),

-- one that was skipped stands as it did; one that the last build does not know is gone
standing as (

    select
        tests.*,
        max(tests.known_at) over (partition by tests.unique_id)
        = tests.last_built_at as is_known,
        max(case when tests.status = 'pass' then tests.known_at end) over (
            partition by tests.unique_id
        ) as last_passed_at
    from tests

),

broken as (

    select
        standing.*,
        min(standing.known_at) over (partition by standing.unique_id) as found_at,
        row_number() over (
            partition by standing.unique_id order by standing.known_at desc
        ) as recency
    from standing
    where
        standing.is_known
        and standing.status <> 'skipped'
        and (
            standing.last_passed_at is null
            or standing.known_at > standing.last_passed_at
        )

),

judged as (

    select
        case
            when status = 'warn' then 'test_warned'
            when
                node_name in (
                    'daily_reports_add_up_to_the_fact',
                    'every_event_landed_is_in_the_fact_once',
                    'every_listen_landed_is_in_the_fact_once',
                    'every_play_imported_is_in_the_fact_once',
                    'every_record_reported_is_accounted_for',
                    'features_add_up_to_the_fact',
                    'landing_holds_what_the_last_crawl_landed',
                    'weekly_listens_add_up_to_the_days'
                )
                then 'conservation_broken'
            else 'test_failed'
        end as rule_name,
        subject,
        'test ' || subject
        || case
            when status = 'warn' then ' warns'
            when status = 'fail' then ' failed'
            else ' could not run'
        end
        || case
            when status not in ('warn', 'fail')
                then
                    coalesce(
                        ': '
                        || substr({{ collapse_whitespace('message') }}, 1, 400),
                        ''
                    )
            when failures = 1 then ': 1 row breaks it'
            else ': ' || {{ number_text('failures') }} || ' rows break it'
        end as message,
        run_id,
        found_at
    from broken
    where recency = 1

)

select * from judged
