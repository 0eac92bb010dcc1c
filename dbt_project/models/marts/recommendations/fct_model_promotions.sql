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
        cast(promotions.promotion_id as {{ type_key() }}) as promotion_id,
        cast(promotions.training_id as {{ type_key() }}) as training_id,
        cast(trainings.source_name as {{ dbt.type_string() }}) as source_name,
        cast(promotions.from_version as {{ dbt.type_string() }}) as from_version,
        cast(promotions.to_version as {{ dbt.type_string() }}) as to_version,

        -- attributes
        cast(promotions.decision as {{ dbt.type_string() }}) as decision,
        cast(promotions.decided_by as {{ dbt.type_string() }}) as decided_by,
        cast(promotions.reason as {{ dbt.type_string() }}) as reason,
        cast(promotions.metric as {{ dbt.type_string() }}) as metric,
        cast(promotions.code_version as {{ dbt.type_string() }}) as code_version,

        -- measures
        cast(promotions.difference as {{ dbt.type_float() }}) as difference,
        cast(promotions.lower_bound as {{ dbt.type_float() }}) as lower_bound,
        cast(promotions.upper_bound as {{ dbt.type_float() }}) as upper_bound,
        cast(promotions.user_count as {{ dbt.type_int() }}) as user_count,

        -- timestamps
        cast(promotions.data_cutoff_at as {{ dbt.type_timestamp() }}) as data_cutoff_at,
        cast(promotions.decided_at as {{ dbt.type_timestamp() }}) as decided_at
    from promotions
    left join trainings
        on promotions.training_id = trainings.training_id

)

select * from final
