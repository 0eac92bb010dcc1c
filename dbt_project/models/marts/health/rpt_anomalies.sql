{#- What a day is judged by lies in the 240 days before it: 60 days of misses, each of a
    forecast from 60 days of effects, each of which is a distance from a level of 28 days
    or from the median of 60; which of them are whole days, the 60 before say. -#}
{% set horizon_days = 240 %}
{{ config(
    materialized='incremental',
    unique_key='measured_date',
) }}

with

metrics as (

    select * from {{ ref('fct_daily_load_metrics') }}
    {% if is_incremental() -%}
    where
        measured_date
        >= cast({{ built_until() }} as date) - interval '{{ horizon_days }}' day
    {%- endif %}

),

thresholds as (

    select * from {{ ref('metric_thresholds') }}

),

scored as (

    {{ anomaly_scores('metrics', 'thresholds') }}

),

-- as people read them: half a record is none
figures as (

    select
        scored.*,
        {{ number_text('scored.value') }} as value_text,
        case
            when scored.value = floor(scored.value)
                then {{ number_text('round(scored.lower_bound)') }}
            else {{ number_text('scored.lower_bound') }}
        end as lower_text,
        case
            when scored.value = floor(scored.value)
                then {{ number_text('round(scored.upper_bound)') }}
            else {{ number_text('scored.upper_bound') }}
        end as upper_text,
        case
            when scored.change_ratio is null then {{ number_text('scored.value') }}
            else {{ number_text('round(abs(scored.change_ratio) * 100)') }} || ' %'
        end as change_text
    from scored

),

explained as (

    select
        figures.*,
        case when figures.is_anomaly then figures.anomaly_severity end as severity,
        figures.subject || ': ' || figures.value_text || ' ' || figures.metric_label
        || case
            when figures.method = 'too little history'
                then
                    ', not judged: ' || figures.history_days
                    || ' of ' || figures.minimum_days || ' days of history'
            when figures.method = 'not a whole day'
                then
                    ', not judged: of '
                    || {{ number_text('round(figures.covered_hours * 10) / 10') }}
                    || ' hours, usually '
                    || {{ number_text('round(figures.usual_hours * 10) / 10') }}
            else
                ', expected ' || figures.lower_text || '–' || figures.upper_text
                || case
                    when figures.method = 'weekday-adjusted robust'
                        then ' on a ' || {{ day_name('figures.measured_date') }}
                    else ''
                end
                || case
                    when figures.is_anomaly
                        then ', ' || figures.change_text || ' ' || figures.direction
                    else ''
                end
        end as reason
    from figures

),

final as (

    select
        -- ids
        metric_name,
        subject,
        cast(measured_date as date) as measured_date,

        -- attributes
        method,
        direction,
        severity,
        reason,

        -- measures
        cast(history_days as {{ dbt.type_int() }}) as history_days,
        value,
        expected,
        lower_bound,
        upper_bound,
        score,
        change_ratio,

        -- booleans
        is_anomaly
    from explained
    {% if is_incremental() -%}
    where measured_date >= cast({{ built_until() }} as date)
    {%- endif %}

)

select * from final
