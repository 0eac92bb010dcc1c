{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('recommendations', 'evaluations') }}

),

renamed as (

    select
        -- ids
        cast(training_id as {{ type_key() }}) as training_id,
        cast(role as {{ dbt.type_string() }}) as model_role,
        cast(candidate as {{ dbt.type_string() }}) as candidate,
        cast(model_version as {{ dbt.type_string() }}) as model_version,
        cast(split as {{ dbt.type_string() }}) as split_name,
        cast(segment as {{ dbt.type_string() }}) as segment,
        cast(metric as {{ dbt.type_string() }}) as metric,
        cutoff as rank_cutoff,

        -- measures
        value,
        lower as lower_bound,
        upper as upper_bound,
        user_count
    from source

)

select * from renamed
