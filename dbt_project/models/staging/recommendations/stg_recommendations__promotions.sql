{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('recommendations', 'promotions') }}

),

renamed as (

    select
        -- ids
        cast(promotion_id as {{ type_key() }}) as promotion_id,
        cast(training_id as {{ type_key() }}) as training_id,
        cast(from_version as {{ dbt.type_string() }}) as from_version,
        cast(to_version as {{ dbt.type_string() }}) as to_version,

        -- attributes
        cast(decision as {{ dbt.type_string() }}) as decision,
        cast(decided_by as {{ dbt.type_string() }}) as decided_by,
        cast(reason as {{ dbt.type_string() }}) as reason,
        cast(metric as {{ dbt.type_string() }}) as metric,
        cast(code_version as {{ dbt.type_string() }}) as code_version,

        -- measures
        difference,
        lower as lower_bound,
        upper as upper_bound,
        user_count,

        -- timestamps
        {{ to_utc('data_cutoff') }} as data_cutoff_at,
        {{ to_utc('decided_at') }} as decided_at
    from source
    {{ where_begun('decided_at') }}

)

select * from renamed
