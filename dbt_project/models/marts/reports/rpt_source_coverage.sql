with

crawled as (

    select * from {{ ref('int_listens_observed') }}

),

numbered as (

    select
        source_name,
        listened_at_source,
        first_observed_at,
        first_listened_date,
        last_listened_date,
        listen_count,
        min(first_observed_at) over (partition by source_name) as first_crawl_at
    from crawled

),

summed as (

    select
        source_name,
        max(case when listened_at_source = 'played_at' then 0 else 1 end) = 0
            as has_played_at,
        min(first_listened_date) as first_listened_date,
        max(last_listened_date) as last_listened_date,
        min(cast(first_crawl_at as date)) as first_crawl_date,
        max(case
            when
                first_observed_at = first_crawl_at
                and listened_at_source = 'record_updated_at'
                then last_listened_date
        end) as backlog_until_date,
        sum(listen_count) as listen_count
    from numbered
    group by source_name

),

final as (

    select
        -- ids
        source_name,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,

        -- booleans
        has_played_at,

        -- dates
        cast(
            case
                when has_played_at then first_listened_date
                else
                    {{ dbt.dateadd(
                        'day', 1, 'coalesce(backlog_until_date, first_crawl_date)'
                    ) }}
            end as date
        ) as known_from_date,
        first_listened_date,
        last_listened_date
    from summed

)

select * from final
