{{ config(materialized='view') }}

with

promotions as (

    select * from {{ ref('stg_recommendations__promotions') }}

),

trainings as (

    select * from {{ ref('stg_recommendations__trainings') }}

),

final as (

    select
        -- ids
        promotions.promotion_id,
        promotions.training_id,
        trainings.source_name,
        promotions.from_version,
        promotions.to_version,

        -- attributes
        promotions.decision,
        promotions.decided_by,
        promotions.reason,
        promotions.metric,
        promotions.code_version,

        -- measures
        promotions.difference,
        promotions.lower_bound,
        promotions.upper_bound,
        promotions.user_count,

        -- timestamps
        promotions.data_cutoff_at,
        promotions.decided_at
    from promotions
    left join trainings
        on promotions.training_id = trainings.training_id

)

select * from final
