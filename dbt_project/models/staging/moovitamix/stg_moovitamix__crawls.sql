{#- A table, unlike the rest of staging: the newest row pins the boundary that
    everything built from here on reads landing as of. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='refill',
    on_schema_change='sync_all_columns',
) }}

with

source as (

    select * from {{ source('moovitamix', 'crawls') }}

),

renamed as (

    select
        -- ids
        cast(crawl_id as {{ dbt.type_string() }}) as crawl_id,
        cast(load_id as {{ dbt.type_string() }}) as load_id,
        'moovitamix' as source_name,

        -- attributes
        cast(code_version as {{ dbt.type_string() }}) as code_version,

        -- users
        users_reported as users_reported_count,
        users_landed as users_landed_count,
        users_duplicates as users_duplicates_count,
        users_rejected as users_rejected_count,
        users_carried as users_carried_forward_count,
        users_forgotten as users_forgotten_count,

        -- tracks
        tracks_reported as tracks_reported_count,
        tracks_landed as tracks_landed_count,
        tracks_duplicates as tracks_duplicates_count,
        tracks_rejected as tracks_rejected_count,
        tracks_carried as tracks_carried_forward_count,
        tracks_forgotten as tracks_forgotten_count,

        -- listen_history
        listen_history_reported as listen_history_reported_count,
        listen_history_landed as listen_history_landed_count,
        listen_history_duplicates as listen_history_duplicates_count,
        listen_history_rejected as listen_history_rejected_count,
        listen_history_carried as listen_history_carried_forward_count,
        listen_history_forgotten as listen_history_forgotten_count,

        -- timestamps
        {{ to_utc('boundary_at') }} as boundary_at,
        {{ to_utc('started_at') }} as started_at,
        {{ to_utc('committed_at') }} as committed_at

    from source
    {% set until = as_of().until -%}
    {% if until -%}
    where
        {{ to_utc('boundary_at') }}
        <= cast('{{ until }}' as {{ dbt.type_timestamp() }})
    {% endif %}

)

select * from renamed
