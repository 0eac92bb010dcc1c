with

source as (

    select * from {{ source('moovitamix', 'crawls') }}

),

committed_crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

renamed as (

    select
        -- ids
        cast(source.crawl_id as {{ dbt.type_string() }}) as crawl_id,
        cast(source.load_id as {{ dbt.type_string() }}) as load_id,
        'moovitamix' as source_name,

        -- attributes
        cast(source.code_version as {{ dbt.type_string() }}) as code_version,

        -- users
        source.users_reported as users_reported_count,
        source.users_landed as users_landed_count,
        source.users_duplicates as users_duplicates_count,
        source.users_rejected as users_rejected_count,
        source.users_carried as users_carried_forward_count,
        source.users_forgotten as users_forgotten_count,

        -- tracks
        source.tracks_reported as tracks_reported_count,
        source.tracks_landed as tracks_landed_count,
        source.tracks_duplicates as tracks_duplicates_count,
        source.tracks_rejected as tracks_rejected_count,
        source.tracks_carried as tracks_carried_forward_count,
        source.tracks_forgotten as tracks_forgotten_count,

        -- listen_history
        source.listen_history_reported as listen_history_reported_count,
        source.listen_history_landed as listen_history_landed_count,
        source.listen_history_duplicates as listen_history_duplicates_count,
        source.listen_history_rejected as listen_history_rejected_count,
        source.listen_history_carried as listen_history_carried_forward_count,
        source.listen_history_forgotten as listen_history_forgotten_count,

        -- timestamps
        {{ to_utc('source.boundary_at') }} as boundary_at,
        {{ to_utc('source.started_at') }} as started_at,
        {{ to_utc('source.committed_at') }} as committed_at

    from source
    inner join committed_crawls
        on source.crawl_id = committed_crawls.crawl_id

)

select * from renamed
