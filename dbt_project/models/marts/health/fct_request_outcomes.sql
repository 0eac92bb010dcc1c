with

requests as (

    select * from {{ ref('stg_ops__http_requests') }}

),

results as (

    select * from {{ ref('int_run_results_dated') }}

),

outcomes as (

    {% for kind in ['status', 'retry'] -%}
    select
        requests.run_id,
        requests.endpoint,
        '{{ kind }}' as kind,
        counts.name as outcome,
        counts.value as outcome_count
    from requests
    {{ cross_join_json_object('requests.' ~ kind ~ '_counts', 'counts') }}
    {%- if not loop.last %}

    union all

    {% endif %}
    {%- endfor %}

),

final as (

    select
        -- ids
        cast(outcomes.run_id as {{ type_key() }}) as run_id,
        cast(outcomes.endpoint as {{ dbt.type_string() }}) as endpoint,
        cast(outcomes.kind as {{ dbt.type_string() }}) as kind,
        cast(outcomes.outcome as {{ dbt.type_string() }}) as outcome,

        -- measures
        cast(outcomes.outcome_count as {{ dbt.type_bigint() }}) as outcome_count
    from outcomes
    inner join results
        on
            outcomes.run_id = results.run_id
            and results.step_name = 'load'

)

select * from final
