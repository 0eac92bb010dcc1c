{{ config(
    materialized='incremental',
    unique_key=['source_name', 'week_start_date'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

listeners as (

    select * from {{ ref('int_listeners_summarized') }}

),

listening_days as (

    select * from {{ ref('int_listening_days') }}

),

weeks as (

    select
        source_name,
        listened_date,
        changed_at,
        cast({{ dbt.date_trunc('week', 'listened_date') }} as date) as week_start_date
    from listening_days

),

new_listeners as (

    select
        source_name,
        cast({{ dbt.date_trunc('week', 'first_listened_at') }} as date)
            as week_start_date,
        count(*) as new_listener_count
    from listeners
    group by
        source_name,
        cast({{ dbt.date_trunc('week', 'first_listened_at') }} as date)

),

{% if is_incremental() -%}
built as (

    select * from {{ this }}

),

-- a listen from long ago takes its listener from the weeks that were the first
changed_weeks as (

    select
        source_name,
        week_start_date
    from weeks
    where {{ is_since_build(['changed_at']) }}

    union

    select
        built.source_name,
        built.week_start_date
    from built
    left join new_listeners
        on
            built.source_name = new_listeners.source_name
            and built.week_start_date = new_listeners.week_start_date
    where
        built.new_listener_count <> coalesce(new_listeners.new_listener_count, 0)

),
{%- endif %}

affected_days as (

    select
        weeks.source_name,
        weeks.listened_date,
        weeks.week_start_date
    from weeks
    {% if is_incremental() -%}
    inner join changed_weeks
        on
            weeks.source_name = changed_weeks.source_name
            and weeks.week_start_date = changed_weeks.week_start_date
    {%- endif %}

),

active_listeners as (

    select
        listens.source_name,
        affected_days.week_start_date,
        count(distinct listens.user_id) as listener_count,
        count(distinct listens.track_id) as track_count,
        count(*) as listen_count
    from listens
    inner join affected_days
        on
            listens.source_name = affected_days.source_name
            and listens.listened_date = affected_days.listened_date
    group by
        listens.source_name,
        affected_days.week_start_date

),

counted as (

    select
        active_listeners.*,
        coalesce(new_listeners.new_listener_count, 0) as new_listener_count
    from active_listeners
    left join new_listeners
        on
            active_listeners.source_name = new_listeners.source_name
            and active_listeners.week_start_date = new_listeners.week_start_date

),

final as (

    select
        -- ids
        source_name,
        cast(week_start_date as date) as week_start_date,

        -- measures
        cast(listener_count as {{ dbt.type_int() }}) as listener_count,
        cast(new_listener_count as {{ dbt.type_int() }}) as new_listener_count,
        cast(track_count as {{ dbt.type_int() }}) as track_count,
        cast(listen_count as {{ dbt.type_int() }}) as listen_count
    from counted

)

select * from final
