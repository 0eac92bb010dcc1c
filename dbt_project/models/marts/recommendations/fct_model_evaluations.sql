{{ config(materialized='view') }}

with

evaluations as (

    select * from {{ ref('stg_recommendations__evaluations') }}

),

-- what is being evaluated is known once it is done
trainings as (

    select * from {{ ref('stg_recommendations__trainings') }}
    where status <> 'running'

),

final as (

    select
        -- ids
        cast(evaluations.training_id as {{ type_key() }}) as training_id,
        cast(trainings.source_name as {{ dbt.type_string() }}) as source_name,
        cast(evaluations.model_role as {{ dbt.type_string() }}) as model_role,
        cast(evaluations.candidate as {{ dbt.type_string() }}) as candidate,
        cast(evaluations.model_version as {{ dbt.type_string() }}) as model_version,
        cast(evaluations.split_name as {{ dbt.type_string() }}) as split_name,
        cast(evaluations.segment as {{ dbt.type_string() }}) as segment,
        cast(evaluations.metric as {{ dbt.type_string() }}) as metric,
        cast(evaluations.rank_cutoff as {{ dbt.type_int() }}) as rank_cutoff,

        -- measures
        cast(evaluations.value as {{ dbt.type_float() }}) as value,
        cast(evaluations.lower_bound as {{ dbt.type_float() }}) as lower_bound,
        cast(evaluations.upper_bound as {{ dbt.type_float() }}) as upper_bound,
        cast(evaluations.user_count as {{ dbt.type_int() }}) as user_count,

        -- timestamps
        cast(trainings.data_cutoff_at as {{ dbt.type_timestamp() }}) as data_cutoff_at,
        cast(trainings.started_at as {{ dbt.type_timestamp() }}) as trained_at
    from evaluations
    inner join trainings
        on evaluations.training_id = trainings.training_id

)

select * from final
