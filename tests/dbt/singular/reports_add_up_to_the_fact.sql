{#- The aggregates count every listen of the fact, neither more nor fewer: by day
    where they have days, in all where not. -#}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

track_genres as (

    select * from {{ ref('bridge_track_genres') }}

),

daily_track_listens as (

    select * from {{ ref('rpt_daily_track_listens') }}

),

daily_artist_listens as (

    select * from {{ ref('rpt_daily_artist_listens') }}

),

daily_genre_listens as (

    select * from {{ ref('rpt_daily_genre_listens') }}

),

weekly_active_listeners as (

    select * from {{ ref('rpt_weekly_active_listeners') }}

),

affinities as (

    select * from {{ ref('rpt_user_track_affinities') }}

),

user_features as (

    select * from {{ ref('rpt_user_features') }}

),

track_features as (

    select * from {{ ref('rpt_track_features') }}

),

genre_counts as (

    select
        track_key,
        count(*) as genre_count
    from track_genres
    group by track_key

),

by_day as (

    select
        listens.source_name,
        listens.listened_date,
        dates.week_start_date,
        count(*) as listen_count,
        count(listens.user_id) as known_listen_count,
        sum(genre_counts.genre_count) as genre_listen_count
    from listens
    left join dates
        on listens.listened_date = dates.date_day
    left join genre_counts
        on listens.track_key = genre_counts.track_key
    group by
        listens.source_name,
        listens.listened_date,
        dates.week_start_date

),

expected as (

    {% for report, measure in [
        ('rpt_daily_track_listens', 'listen_count'),
        ('rpt_daily_artist_listens', 'listen_count'),
        ('rpt_daily_genre_listens', 'genre_listen_count'),
    ] %}
    select
        '{{ report }}' as report_name,
        source_name,
        listened_date as period_date,
        {{ measure }} as listen_count
    from by_day

    union all

    {% endfor %}

    select
        'rpt_weekly_active_listeners' as report_name,
        source_name,
        cast(week_start_date as date) as period_date,
        sum(listen_count) as listen_count
    from by_day
    group by
        source_name,
        week_start_date

    {% for report, measure in [
        ('rpt_user_track_affinities', 'known_listen_count'),
        ('rpt_user_features', 'known_listen_count'),
        ('rpt_track_features', 'listen_count'),
    ] %}

    union all

    select
        '{{ report }}' as report_name,
        source_name,
        cast({{ first_valid_from() }} as date) as period_date,
        sum({{ measure }}) as listen_count
    from by_day
    group by source_name
    {% endfor %}

),

reported as (

    {% for period in ['track', 'artist', 'genre'] %}
    select
        'rpt_daily_{{ period }}_listens' as report_name,
        source_name,
        listened_date as period_date,
        sum(listen_count) as listen_count
    from daily_{{ period }}_listens
    group by
        source_name,
        listened_date

    union all

    {% endfor %}

    select
        'rpt_weekly_active_listeners' as report_name,
        source_name,
        week_start_date as period_date,
        listen_count
    from weekly_active_listeners

    {% for report, relation in [
        ('rpt_user_track_affinities', 'affinities'),
        ('rpt_user_features', 'user_features'),
        ('rpt_track_features', 'track_features'),
    ] %}

    union all

    select
        '{{ report }}' as report_name,
        source_name,
        cast({{ first_valid_from() }} as date) as period_date,
        sum(listen_count) as listen_count
    from {{ relation }}
    group by source_name
    {% endfor %}

)

select
    coalesce(expected.report_name, reported.report_name) as report_name,
    coalesce(expected.source_name, reported.source_name) as source_name,
    coalesce(expected.period_date, reported.period_date) as period_date,
    expected.listen_count as expected_count,
    reported.listen_count as reported_count
from expected
full outer join reported
    on
        expected.report_name = reported.report_name
        and expected.source_name = reported.source_name
        and expected.period_date = reported.period_date
where coalesce(expected.listen_count, 0) <> coalesce(reported.listen_count, 0)
