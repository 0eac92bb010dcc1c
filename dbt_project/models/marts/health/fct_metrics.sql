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

endpoint_crawls as (

    select
        crawl_days.source_name,
        'users' as endpoint,
        crawl_days.measured_date,
        crawl_days.previous_boundary_at,
        crawl_days.boundary_at,
        crawl_days.is_last_of_day,
        crawl_days.users_reported_count as reported_count,
        crawl_days.users_landed_count as landed_count,
        crawl_days.users_duplicates_count as duplicates_count,
        crawl_days.users_rejected_count as rejected_count
    from crawl_days

    union all

    select
        crawl_days.source_name,
        'tracks' as endpoint,
        crawl_days.measured_date,
        crawl_days.previous_boundary_at,
        crawl_days.boundary_at,
        crawl_days.is_last_of_day,
        crawl_days.tracks_reported_count as reported_count,
        crawl_days.tracks_landed_count as landed_count,
        crawl_days.tracks_duplicates_count as duplicates_count,
        crawl_days.tracks_rejected_count as rejected_count
    from crawl_days

    union all

    select
        crawl_days.source_name,
        'listen_history' as endpoint,
        crawl_days.measured_date,
        crawl_days.previous_boundary_at,
        crawl_days.boundary_at,
        crawl_days.is_last_of_day,
        crawl_days.listen_history_reported_count as reported_count,
        crawl_days.listen_history_landed_count as landed_count,
        crawl_days.listen_history_duplicates_count as duplicates_count,
        crawl_days.listen_history_rejected_count as rejected_count
    from crawl_days

),

-- few rows, which the crawls then look through
observed_listens as (

    select
        source_name,
        first_observed_at,
        count(*) as listen_count
    from listens
    group by source_name, first_observed_at

),

-- what a crawl holds: the last of the day counts
levels as (

    select
        'records_reported' as metric_name,
        endpoint as subject,
        measured_date,
        reported_count as value
    from endpoint_crawls
    where is_last_of_day

    union all

    select
        'records_landed' as metric_name,
        endpoint as subject,
        measured_date,
        landed_count as value
    from endpoint_crawls
    where is_last_of_day

    union all

    select
        'records_duplicate' as metric_name,
        endpoint as subject,
        measured_date,
        duplicates_count as value
    from endpoint_crawls
    where is_last_of_day

    union all

    select
        'records_rejected' as metric_name,
        endpoint as subject,
        measured_date,
        rejected_count as value
    from endpoint_crawls
    where is_last_of_day

),

-- what a crawl changed, or one before it that died: the day's sum counts. The first
-- crawl of all finds everything new, which no other day compares with.
changes as (

    select
        'versions_new' as metric_name,
        endpoint_crawls.endpoint as subject,
        endpoint_crawls.measured_date,
        coalesce(sum(versions.version_count), 0) as value
    from endpoint_crawls
    left join versions
        on
            endpoint_crawls.source_name = versions.source_name
            and endpoint_crawls.endpoint = versions.endpoint
            and endpoint_crawls.previous_boundary_at < versions.valid_from
            and endpoint_crawls.boundary_at >= versions.valid_from
    where endpoint_crawls.previous_boundary_at is not null
    group by endpoint_crawls.endpoint, endpoint_crawls.measured_date

    union all

    select
        'versions_closed' as metric_name,
        endpoint_crawls.endpoint as subject,
        endpoint_crawls.measured_date,
        coalesce(sum(versions.version_count), 0) as value
    from endpoint_crawls
    left join versions
        on
            endpoint_crawls.source_name = versions.source_name
            and endpoint_crawls.endpoint = versions.endpoint
            and endpoint_crawls.previous_boundary_at < versions.valid_to
            and endpoint_crawls.boundary_at >= versions.valid_to
    where endpoint_crawls.previous_boundary_at is not null
    group by endpoint_crawls.endpoint, endpoint_crawls.measured_date

    union all

    select
        'listens_new' as metric_name,
        'fct_listens' as subject,
        crawl_days.measured_date,
        coalesce(sum(observed_listens.listen_count), 0) as value
    from crawl_days
    left join observed_listens
        on
            crawl_days.source_name = observed_listens.source_name
            and crawl_days.previous_boundary_at < observed_listens.first_observed_at
            and crawl_days.boundary_at >= observed_listens.first_observed_at
    where crawl_days.previous_boundary_at is not null
    group by crawl_days.measured_date

),

metrics as (

    select * from levels

    union all

    select * from changes

),

final as (

    select
        -- ids
        cast(metric_name as {{ dbt.type_string() }}) as metric_name,
        cast(subject as {{ dbt.type_string() }}) as subject,
        cast(measured_date as date) as measured_date,

        -- measures
        cast(value as {{ dbt.type_float() }}) as value
    from metrics

)

select
    metric_name,
    subject,
    measured_date,
    value
from final
