{{ config(materialized='incremental') }}

with

crawls as (

    select * from {{ ref('stg_moovitamix__crawls') }}

),

rejected_records as (

    select * from {{ ref('stg_moovitamix__rejected_records') }}

),

versions as (

    select * from {{ ref('int_versions_counted') }}

),

inferred_users as (

    select * from {{ ref('int_users_inferred') }}

),

inferred_tracks as (

    select * from {{ ref('int_tracks_inferred') }}

),

endpoint_crawls as (

    {% for endpoint in ['users', 'tracks', 'listen_history'] -%}
    select
        crawl_id,
        source_name,
        boundary_at,
        committed_at,
        '{{ endpoint }}' as table_name,
        {{ endpoint }}_landed_count as landed_count,
        {{ endpoint }}_duplicates_count as duplicates_count
    from crawls
    {%- if not loop.last %}

    union all

    {% endif %}
    {%- endfor %}

),

-- few rows, which the crawls then look through
rejections as (

    select
        source_name,
        endpoint,
        reason,
        first_seen_at,
        resolved_at,
        count(*) as record_count
    from rejected_records
    group by source_name, endpoint, reason, first_seen_at, resolved_at

),

open_rejections as (

    select
        endpoint_crawls.crawl_id,
        endpoint_crawls.boundary_at,
        endpoint_crawls.committed_at,
        endpoint_crawls.table_name,
        rejections.reason,
        coalesce(rejections.record_count, 0) as record_count
    from endpoint_crawls
    left join rejections
        on
            endpoint_crawls.source_name = rejections.source_name
            and endpoint_crawls.table_name = rejections.endpoint
            and endpoint_crawls.boundary_at >= rejections.first_seen_at
            and (
                rejections.resolved_at is null
                or endpoint_crawls.boundary_at < rejections.resolved_at
            )

),

orphans as (

    {% for table_name, inferred in [
        ('users', 'inferred_users'), ('tracks', 'inferred_tracks')
    ] -%}
    select
        '{{ table_name }}' as table_name,
        source_name,
        first_observed_at,
        arrived_at,
        count(*) as orphan_count
    from {{ inferred }}
    group by source_name, first_observed_at, arrived_at
    {%- if not loop.last %}

    union all

    {% endif %}
    {%- endfor %}

),

-- what is known from when on: a crawl knows all that was landed by then
known_times as (

    select
        source_name,
        endpoint as table_name,
        valid_from as known_at,
        last_named_at,
        cast(null as {{ dbt.type_string() }}) as crawl_id,
        cast(null as {{ dbt.type_timestamp() }}) as committed_at
    from versions

    union all

    select
        source_name,
        table_name,
        boundary_at as known_at,
        cast(null as {{ dbt.type_timestamp() }}) as last_named_at,
        crawl_id,
        committed_at
    from endpoint_crawls

),

last_times as (

    select
        crawl_id,
        known_at as boundary_at,
        committed_at,
        table_name,
        max(last_named_at) over (
            partition by source_name, table_name order by known_at
        ) as last_named_at
    from known_times

),

measured as (

    {% for measure, counted in [
        ('duplicates', 'duplicates_count'), ('distinct_keys', 'landed_count')
    ] -%}
    select
        crawl_id,
        boundary_at,
        committed_at,
        table_name,
        '{{ measure }}' as measure,
        '' as detail,
        {{ counted }} as value
    from endpoint_crawls

    union all

    {% endfor -%}
    select
        crawl_id,
        boundary_at,
        committed_at,
        table_name,
        'rejected' as measure,
        reason as detail,
        sum(record_count) as value
    from open_rejections
    where reason is not null
    group by crawl_id, boundary_at, committed_at, table_name, reason

    union all

    select
        crawl_id,
        boundary_at,
        committed_at,
        table_name,
        'open_rejections' as measure,
        '' as detail,
        sum(record_count) as value
    from open_rejections
    group by crawl_id, boundary_at, committed_at, table_name

    union all

    select
        endpoint_crawls.crawl_id,
        endpoint_crawls.boundary_at,
        endpoint_crawls.committed_at,
        endpoint_crawls.table_name,
        'orphan_' || endpoint_crawls.table_name as measure,
        '' as detail,
        coalesce(sum(orphans.orphan_count), 0) as value
    from endpoint_crawls
    left join orphans
        on
            endpoint_crawls.source_name = orphans.source_name
            and endpoint_crawls.table_name = orphans.table_name
            and endpoint_crawls.boundary_at >= orphans.first_observed_at
            and (
                orphans.arrived_at is null
                or endpoint_crawls.boundary_at < orphans.arrived_at
            )
    where endpoint_crawls.table_name in ('users', 'tracks')
    group by
        endpoint_crawls.crawl_id,
        endpoint_crawls.boundary_at,
        endpoint_crawls.committed_at,
        endpoint_crawls.table_name

    union all

    select
        crawl_id,
        boundary_at,
        committed_at,
        table_name,
        'freshness_seconds' as measure,
        '' as detail,
        {{ seconds_between('last_named_at', 'boundary_at') }} as value
    from last_times
    where
        crawl_id is not null
        and last_named_at is not null

    union all

    select
        crawl_id,
        boundary_at,
        committed_at,
        'crawls' as table_name,
        'ingestion_latency_seconds' as measure,
        '' as detail,
        greatest(0, {{ seconds_between('started_at', 'committed_at') }}) as value
    from crawls

)

select * from measured
