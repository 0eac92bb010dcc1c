with

requests as (

    select * from {{ ref('stg_ops__http_requests') }}

),

results as (

    select * from {{ ref('int_step_runs') }}

),

retries as (

    select
        requests.run_id,
        requests.endpoint,
        sum(cast(counts.value as {{ dbt.type_bigint() }})) as retry_count
    from requests
    {{ cross_join_json_object('requests.retry_counts', 'counts') }}
    group by requests.run_id, requests.endpoint

),

final as (

    select
        -- ids
        requests.run_id,
        requests.endpoint,

        -- measures
        requests.request_count,
        requests.received_bytes,
        cast(coalesce(retries.retry_count, 0) as {{ dbt.type_bigint() }})
            as retry_count,
        cast(requests.latency_p50_seconds as {{ dbt.type_float() }})
            as latency_p50_seconds,
        cast(requests.latency_p95_seconds as {{ dbt.type_float() }})
            as latency_p95_seconds,
        cast(requests.latency_max_seconds as {{ dbt.type_float() }})
            as latency_max_seconds,

        -- timestamps
        cast(results.run_started_at as {{ dbt.type_timestamp() }}) as requested_at
    from requests
    inner join results
        on
            requests.run_id = results.run_id
            and results.step_name = 'load'
    left join retries
        on
            requests.run_id = retries.run_id
            and requests.endpoint = retries.endpoint

)

select * from final
