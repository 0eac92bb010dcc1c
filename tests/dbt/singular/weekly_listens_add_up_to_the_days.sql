{#- A week counts the listens of its days, neither more nor fewer. -#}

with

daily_artist_listens as (

    select * from {{ ref('rpt_daily_artist_listens') }}

),

weekly_active_listeners as (

    select * from {{ ref('rpt_weekly_active_listeners') }}

),

expected as (

    select
        source_name,
        cast({{ dbt.date_trunc('week', 'listened_date') }} as date) as week_start_date,
        sum(listen_count) as listen_count
    from daily_artist_listens
    group by
        source_name,
        cast({{ dbt.date_trunc('week', 'listened_date') }} as date)

)

select
    coalesce(expected.source_name, weekly_active_listeners.source_name)
        as source_name,
    coalesce(expected.week_start_date, weekly_active_listeners.week_start_date)
        as week_start_date,
    expected.listen_count as expected_count,
    weekly_active_listeners.listen_count as reported_count
from expected
full outer join weekly_active_listeners
    on
        expected.source_name = weekly_active_listeners.source_name
        and expected.week_start_date = weekly_active_listeners.week_start_date
where
    coalesce(expected.listen_count, 0)
    <> coalesce(weekly_active_listeners.listen_count, 0)
