{#- By day: a second crawl of a day replaces all that the day came to. -#}
{{ config(
    materialized='incremental',
    unique_key='measured_date',
) }}

with

crawls as (

    select * from {{ ref('stg_moovitamix__crawls') }}

),

versions as (

    select * from {{ ref('int_versions_counted') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

crawl_days as (

    select
        crawls.*,
        cast(crawls.boundary_at as date) as measured_date,
        lag(crawls.boundary_at) over (
            partition by crawls.source_name order by crawls.boundary_at
        ) as previous_boundary_at,
        row_number() over (
            partition by crawls.source_name, cast(crawls.boundary_at as date)
            order by crawls.boundary_at desc
        ) = 1 as is_last_of_day
    from crawls

),

-- all crawls of the day of the last build, too: the day may not have been over
new_crawls as (

    select * from crawl_days
    {% if is_incremental() -%}
    where measured_date >= cast({{ built_until() }} as date)
    {%- endif %}

),

endpoint_crawls as (

    {% for endpoint in ['users', 'tracks', 'listen_history'] -%}
    select
        new_crawls.source_name,
        '{{ endpoint }}' as endpoint,
        new_crawls.measured_date,
        new_crawls.previous_boundary_at,
        new_crawls.boundary_at,
        new_crawls.is_last_of_day,
        new_crawls.{{ endpoint }}_reported_count as reported_count,
        new_crawls.{{ endpoint }}_landed_count as landed_count,
        new_crawls.{{ endpoint }}_duplicates_count as duplicates_count,
        new_crawls.{{ endpoint }}_rejected_count as rejected_count
    from new_crawls
    {%- if not loop.last %}

    union all

    {% endif %}
    {%- endfor %}

),

-- few rows, which the crawls then look through
observed_listens as (

    select
        listens.source_name,
        listens.first_observed_at,
        count(*) as listen_count
    from listens
    {% if is_incremental() -%}
    where
        listens.first_observed_at > (
            select min(new_crawls.previous_boundary_at) from new_crawls
        )
    {%- endif %}
    group by listens.source_name, listens.first_observed_at

),

-- what a crawl holds: the last of the day counts
levels as (

    {% for metric_name, counted in [
        ('records_reported', 'reported_count'),
        ('records_landed', 'landed_count'),
        ('records_duplicate', 'duplicates_count'),
        ('records_rejected', 'rejected_count'),
    ] -%}
    select
        '{{ metric_name }}' as metric_name,
        endpoint as subject,
        measured_date,
        {{ counted }} as value,
        cast(null as {{ dbt.type_float() }}) as covered_hours
    from endpoint_crawls
    where is_last_of_day
    {%- if not loop.last %}

    union all

    {% endif %}
    {%- endfor %}

),

-- what a crawl changed, or one before it that died: the day's sum counts, of the time
-- since the last crawl of the days before. The first crawl of all finds everything new,
-- which no other day compares with.
changes as (

    {% for metric_name, changed_at in [
        ('versions_new', 'valid_from'),
        ('versions_closed', 'valid_to'),
    ] -%}
    select
        '{{ metric_name }}' as metric_name,
        endpoint_crawls.endpoint as subject,
        endpoint_crawls.measured_date,
        coalesce(sum(versions.version_count), 0) as value,
        {{ seconds_between(
            'min(endpoint_crawls.previous_boundary_at)',
            'max(endpoint_crawls.boundary_at)',
        ) }} / 3600 as covered_hours
    from endpoint_crawls
    left join versions
        on
            endpoint_crawls.source_name = versions.source_name
            and endpoint_crawls.endpoint = versions.endpoint
            and endpoint_crawls.previous_boundary_at < versions.{{ changed_at }}
            and endpoint_crawls.boundary_at >= versions.{{ changed_at }}
    where endpoint_crawls.previous_boundary_at is not null
    group by endpoint_crawls.endpoint, endpoint_crawls.measured_date

    union all

    {% endfor -%}
    select
        'listens_new' as metric_name,
        'fct_listens' as subject,
        new_crawls.measured_date,
        coalesce(sum(observed_listens.listen_count), 0) as value,
        {{ seconds_between(
            'min(new_crawls.previous_boundary_at)', 'max(new_crawls.boundary_at)'
        ) }} / 3600 as covered_hours
    from new_crawls
    left join observed_listens
        on
            new_crawls.source_name = observed_listens.source_name
            and new_crawls.previous_boundary_at < observed_listens.first_observed_at
            and new_crawls.boundary_at >= observed_listens.first_observed_at
    where new_crawls.previous_boundary_at is not null
    group by new_crawls.measured_date

),

metrics as (

    select * from levels

    union all

    select * from changes

),

final as (

    select
        -- ids
        metric_name,
        subject,
        cast(measured_date as date) as measured_date,

        -- measures
        cast(value as {{ dbt.type_float() }}) as value,
        covered_hours
    from metrics

)

select * from final
