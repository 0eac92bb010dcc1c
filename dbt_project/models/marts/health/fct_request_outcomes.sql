with

requests as (

    select * from {{ ref('stg_ops__http_requests') }}

),

results as (

    select * from {{ ref('int_step_runs') }}

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
        outcomes.run_id,
        outcomes.endpoint,
        outcomes.kind,
        outcomes.outcome,

        -- measures
        cast(outcomes.outcome_count as {{ dbt.type_bigint() }}) as outcome_count
    from outcomes
    inner join results
        on
            outcomes.run_id = results.run_id
            and results.step_name = 'load'

)

select * from final
