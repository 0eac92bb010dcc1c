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
        evaluations.training_id,
        trainings.source_name,
        evaluations.model_role,
        evaluations.candidate,
        evaluations.model_version,
        evaluations.split_name,
        evaluations.segment,
        evaluations.metric,
        evaluations.rank_cutoff,

        -- measures
        evaluations.value,
        evaluations.lower_bound,
        evaluations.upper_bound,
        evaluations.user_count,

        -- timestamps
        trainings.data_cutoff_at,
        cast(trainings.started_at as {{ dbt.type_timestamp() }}) as trained_at
    from evaluations
    inner join trainings
        on evaluations.training_id = trainings.training_id

)

select * from final
