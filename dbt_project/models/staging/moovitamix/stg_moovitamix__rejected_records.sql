with

source as (

    select * from {{ source('moovitamix', 'rejected_records') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from {{ ref('base_crawls__committed') }}

),

renamed as (

    select
        -- ids
        cast(source.record_hash as {{ dbt.type_string() }}) as record_hash,
        'moovitamix' as source_name,

        -- attributes
        cast(source.endpoint as {{ dbt.type_string() }}) as endpoint,
        cast(source.record as {{ dbt.type_string() }}) as record,
        cast(source.reason as {{ dbt.type_string() }}) as reason,

        -- timestamps
        {{ to_utc('source.first_seen_at') }} as first_seen_at,
        -- a crawl that is not committed may have seen it again
        least(
            {{ to_utc('source.last_seen_at') }}, boundary.boundary_at
        ) as last_seen_at,
        case
            when {{ to_utc('source.resolved_at') }} <= boundary.boundary_at
                then {{ to_utc('source.resolved_at') }}
        end as resolved_at
    from source
    cross join boundary
    where {{ to_utc('source.first_seen_at') }} <= boundary.boundary_at

)

select * from renamed
