{#- Hangs on tables that are never replaced, as fct_data_quality does. -#}
with

runs as (

    select * from {{ ref('int_runs_findings') }}

),

steps as (

    select * from {{ ref('int_steps_findings') }}

),

loads as (

    select * from {{ ref('int_loads_findings') }}

),

crawls as (

    select * from {{ ref('int_crawls_findings') }}

),

publications as (

    select * from {{ ref('int_publications_findings') }}

),

tests as (

    select * from {{ ref('int_tests_findings') }}

),

recommendations as (

    select * from {{ ref('int_recommendations_findings') }}

),

quality as (

    select * from {{ ref('int_quality_findings') }}

),

series as (

    select * from {{ ref('int_latest_anomalies') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

found as (

    {% for judged in [
        'runs', 'steps', 'loads', 'crawls', 'publications', 'tests', 'recommendations'
    ] -%}
    select
        rule_name,
        subject,
        cast(null as {{ dbt.type_string() }}) as severity,
        message,
        run_id,
        found_at
    from {{ judged }}

    union all

    {% endfor -%}
    select
        rule_name,
        subject,
        cast(null as {{ dbt.type_string() }}) as severity,
        message,
        cast(null as {{ type_key() }}) as run_id,
        found_at
    from quality

    union all

    select
        'anomaly' as rule_name,
        metric_name || ' of ' || subject as subject,
        severity,
        reason as message,
        cast(null as {{ type_key() }}) as run_id,
        cast(measured_date as {{ dbt.type_timestamp() }}) as found_at
    from series
    where is_anomaly

),

final as (

    select
        -- ids
        cast(found.rule_name || '|' || found.subject as {{ dbt.type_string() }})
            as finding_key,
        found.rule_name,
        found.subject,
        found.run_id,

        -- attributes
        cast(
            coalesce(found.severity, thresholds.severity) as {{ dbt.type_string() }}
        ) as severity,
        found.message,
        thresholds.next_step,

        -- booleans
        cast(found.rule_name = 'schema_changed' as {{ dbt.type_boolean() }})
            as is_event,

        -- timestamps
        found.found_at
    from found
    -- a rule without a row is switched off
    inner join thresholds on found.rule_name = thresholds.rule_name

)

select * from final
