{#- The daily reports count every listen of the fact, neither more nor fewer, each on
    its day. -#}

{#- Of the fact only the days of what was first observed since the last audit: a record
    that changed has its older listens written anew, on any day, and whether one of those
    was lost another test asks. -#}

{%- set days = [
    ref('int_listening_days'),
    rows_changed_since_audit(ref('fct_listens'), ['first_observed_at']),
] %}
{%- set day = ['source_name', 'listened_date'] %}

with

listens as (

    select * from {{ ref('fct_listens') }}
    {{ only_audited('where', day, days) }}

),

track_genres as (

    select * from {{ ref('bridge_track_genres') }}

),

{% for period in ['track', 'artist', 'genre'] -%}
daily_{{ period }}_listens as (

    select * from {{ ref('rpt_daily_' ~ period ~ '_listens') }}
    {{ only_audited('where', day, days) }}

),

{% endfor -%}
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
        count(*) as listen_count,
        sum(genre_counts.genre_count) as genre_listen_count
    from listens
    left join genre_counts
        on listens.track_key = genre_counts.track_key
    group by
        listens.source_name,
        listens.listened_date

),

expected as (

    {% for period, measure in [
        ('track', 'listen_count'),
        ('artist', 'listen_count'),
        ('genre', 'genre_listen_count'),
    ] %}
    select
        'rpt_daily_{{ period }}_listens' as report_name,
        source_name,
        listened_date,
        {{ measure }} as listen_count
    from by_day
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

reported as (

    {% for period in ['track', 'artist', 'genre'] %}
    select
        'rpt_daily_{{ period }}_listens' as report_name,
        source_name,
        listened_date,
        sum(listen_count) as listen_count
    from daily_{{ period }}_listens
    group by
        source_name,
        listened_date
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select
    coalesce(expected.report_name, reported.report_name) as report_name,
    coalesce(expected.source_name, reported.source_name) as source_name,
    coalesce(expected.listened_date, reported.listened_date) as listened_date,
    expected.listen_count as expected_count,
    reported.listen_count as reported_count
from expected
full outer join reported
    on
        expected.report_name = reported.report_name
        and expected.source_name = reported.source_name
        and expected.listened_date = reported.listened_date
where coalesce(expected.listen_count, 0) <> coalesce(reported.listen_count, 0)
