{#- The features count every listen of the fact, neither more nor fewer: those of users
    the ones of a known user. Totals, also where other tests read less: features are made
    anew from all listens, and to count costs less than to look up whose changed. -#}

with

listens as (

    select * from {{ ref('fct_listens') }}

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

counted as (

    select
        source_name,
        count(*) as listen_count,
        count(user_id) as known_listen_count
    from listens
    group by source_name

),

{%- set features = [
    ('affinities', 'known_listen_count'),
    ('user_features', 'known_listen_count'),
    ('track_features', 'listen_count'),
] %}

expected as (

    {% for features_of, measure in features %}
    select
        '{{ features_of }}' as report_name,
        source_name,
        {{ measure }} as listen_count
    from counted
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

reported as (

    {% for features_of, _ in features %}
    select
        '{{ features_of }}' as report_name,
        source_name,
        sum(listen_count) as listen_count
    from {{ features_of }}
    group by source_name
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select
    coalesce(expected.report_name, reported.report_name) as report_name,
    coalesce(expected.source_name, reported.source_name) as source_name,
    expected.listen_count as expected_count,
    reported.listen_count as reported_count
from expected
full outer join reported
    on
        expected.report_name = reported.report_name
        and expected.source_name = reported.source_name
where coalesce(expected.listen_count, 0) <> coalesce(reported.listen_count, 0)
