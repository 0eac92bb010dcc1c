{% set chart_size = 100 %}
{{ config(
    materialized='incremental',
    unique_key=['source_name', 'chart_period', 'period_start_date'],
) }}

with

daily_track_listens as (

    select * from {{ ref('rpt_daily_track_listens') }}

),

all_daily_track_listens as (

    select * from {{ ref('rpt_daily_track_listens') }}

),

daily_artist_listens as (

    select * from {{ ref('rpt_daily_artist_listens') }}

),

all_daily_artist_listens as (

    select * from {{ ref('rpt_daily_artist_listens') }}

),

listening_days as (

    select * from {{ ref('int_listening_days') }}

),

periods as (

    select
        source_name,
        'week' as chart_period,
        cast({{ dbt.date_trunc('week', 'listened_date') }} as date)
            as period_start_date,
        listened_date,
        changed_at
    from listening_days

    union all

    select
        source_name,
        'month' as chart_period,
        cast({{ dbt.date_trunc('month', 'listened_date') }} as date)
            as period_start_date,
        listened_date,
        changed_at
    from listening_days

),

{% if is_incremental() -%}
changed_periods as (

    select
        source_name,
        chart_period,
        period_start_date
    from periods
    where {{ is_since_build(['changed_at']) }}
    group by
        source_name,
        chart_period,
        period_start_date

),
{%- endif %}

affected_days as (

    select periods.*
    from periods
    {% if is_incremental() -%}
    inner join changed_periods
        on
            periods.source_name = changed_periods.source_name
            and periods.chart_period = changed_periods.chart_period
            and periods.period_start_date = changed_periods.period_start_date
    {%- endif %}

),

{% for chart_kind, item in [('track', 'track_id'), ('artist', 'artist_key')] %}
-- all time needs no days: joined to them, the whole report would be sorted
counted_{{ chart_kind }}s as (

    select
        affected_days.source_name,
        affected_days.chart_period,
        affected_days.period_start_date,
        daily_{{ chart_kind }}_listens.{{ item }},
        sum(daily_{{ chart_kind }}_listens.listen_count) as listen_count
    from daily_{{ chart_kind }}_listens
    inner join affected_days
        on
            daily_{{ chart_kind }}_listens.source_name = affected_days.source_name
            and daily_{{ chart_kind }}_listens.listened_date
            = affected_days.listened_date
    group by
        affected_days.source_name,
        affected_days.chart_period,
        affected_days.period_start_date,
        daily_{{ chart_kind }}_listens.{{ item }}

    union all

    select
        source_name,
        'all time' as chart_period,
        cast({{ first_valid_from() }} as date) as period_start_date,
        {{ item }},
        sum(listen_count) as listen_count
    from all_daily_{{ chart_kind }}_listens
    {% if is_incremental() -%}
    where source_name in (select changed_periods.source_name from changed_periods)
    {%- endif %}
    group by
        source_name,
        {{ item }}

),

ranked_{{ chart_kind }}s as (

    select
        *,
        row_number() over (
            partition by source_name, chart_period, period_start_date
            order by listen_count desc, {{ item }}
        ) as chart_rank
    from counted_{{ chart_kind }}s
    {% if chart_kind == 'artist' -%}
    -- tracks without an artist do not make one
    where artist_key <> {{ unknown_key() }}
    {%- endif %}

),

{% endfor -%}

charted as (

    select
        -- keys
        cast(null as {{ type_key() }}) as artist_key,

        -- ids
        source_name,
        'tracks' as chart_kind,
        chart_period,
        period_start_date,
        chart_rank,
        track_id,

        -- measures
        listen_count
    from ranked_tracks
    where chart_rank <= {{ chart_size }}

    union all

    select
        artist_key,
        source_name,
        'artists' as chart_kind,
        chart_period,
        period_start_date,
        chart_rank,
        cast(null as {{ dbt.type_string() }}) as track_id,
        listen_count
    from ranked_artists
    where chart_rank <= {{ chart_size }}

)

select * from charted
