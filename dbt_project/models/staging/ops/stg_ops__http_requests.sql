{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'http_requests') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,
        cast(endpoint as {{ dbt.type_string() }}) as endpoint,

        -- attributes
        statuses as status_counts,
        retries as retry_counts,

        -- measures
        requests as request_count,
        received_bytes,
        latency_p50_seconds,
        latency_p95_seconds,
        latency_max_seconds
    from source

)

select * from renamed
