{#- The features count every listen of the fact, neither more nor fewer: of each user
    those of the affinities and of the user, of each track those of the track. -#}

{%- set listened = [ref('fct_listens')] %}
{%- set features = [
    ('rpt_user_track_affinities', 'user_id'),
    ('rpt_user_features', 'user_id'),
    ('rpt_track_features', 'track_id'),
] %}

with

-- each read on its own: PostgreSQL would write out what is read twice
{% for member in ['user_id', 'track_id'] -%}
listens_with_{{ member }} as (

    select * from {{ ref('fct_listens') }}

),

{% endfor -%}
{% for report_name, member in features -%}
{{ report_name }} as (

    select * from {{ ref(report_name) }}

),

{% endfor -%}
{% for member in ['user_id', 'track_id'] -%}
listens_by_{{ member }} as (

    select
        source_name,
        {{ member }} as member_id,
        count(*) as listen_count
    from listens_with_{{ member }}
    where
        {{ member }} is not null
        {{ only_audited('and', ['source_name', member], listened) }}
    group by
        source_name,
        {{ member }}

),

{% endfor -%}
expected as (

    {% for report_name, member in features %}
    select
        '{{ report_name }}' as report_name,
        source_name,
        member_id,
        listen_count
    from listens_by_{{ member }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

reported as (

    {% for report_name, member in features %}
    select
        '{{ report_name }}' as report_name,
        source_name,
        {{ member }} as member_id,
        sum(listen_count) as listen_count
    from {{ report_name }}
    {{ only_audited('where', ['source_name', member], listened) }}
    group by
        source_name,
        {{ member }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select
    coalesce(expected.report_name, reported.report_name) as report_name,
    coalesce(expected.source_name, reported.source_name) as source_name,
    coalesce(expected.member_id, reported.member_id) as member_id,
    expected.listen_count as expected_count,
    reported.listen_count as reported_count
from expected
full outer join reported
    on
        expected.report_name = reported.report_name
        and expected.source_name = reported.source_name
        and expected.member_id = reported.member_id
where coalesce(expected.listen_count, 0) <> coalesce(reported.listen_count, 0)
