with

outcomes as (

    select * from {{ ref('fct_recommendation_outcomes') }}
    where
        is_window_complete
        and model_version is not null

),

-- users count once, however many days they had lists
users as (

    select
        source_name,
        model_version,
        user_id,
        min(for_date) as first_for_date,
        max(for_date) as last_for_date,
        count(*) as list_count,
        avg(1.0 * converted_count / recommended_count) as converted_share,
        avg(1.0 * shadow_converted_count / nullif(shadow_count, 0)) as shadow_share,
        avg(
            1.0 * converted_count / recommended_count
            - 1.0 * shadow_converted_count / nullif(shadow_count, 0)
        ) as difference
    from outcomes
    group by source_name, model_version, user_id

),

measured as (

    select
        source_name,
        model_version,
        min(first_for_date) as first_for_date,
        max(last_for_date) as last_for_date,
        count(*) as user_count,
        sum(list_count) as list_count,
        {{ rounded('avg(converted_share)') }} as conversion_rate,
        {{ rounded('avg(shadow_share)') }} as shadow_conversion_rate,
        {{ lift_with_interval('difference') }}
    from users
    group by source_name, model_version

),

final as (

    select
        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(model_version as {{ dbt.type_string() }}) as model_version,

        -- attributes
        cast(first_for_date as date) as first_for_date,
        cast(last_for_date as date) as last_for_date,

        -- measures
        cast(user_count as {{ dbt.type_int() }}) as user_count,
        cast(list_count as {{ dbt.type_bigint() }}) as list_count,
        cast(conversion_rate as {{ dbt.type_float() }}) as conversion_rate,
        cast(shadow_conversion_rate as {{ dbt.type_float() }})
            as shadow_conversion_rate,
        cast(lift as {{ dbt.type_float() }}) as lift,
        cast(lift_lower as {{ dbt.type_float() }}) as lift_lower,
        cast(lift_upper as {{ dbt.type_float() }}) as lift_upper,
        cast(
            {{ rounded('lift / nullif(shadow_conversion_rate, 0)') }}
            as {{ dbt.type_float() }}
        ) as relative_lift
    from measured

)

select
    source_name,
    model_version,
    first_for_date,
    last_for_date,
    user_count,
    list_count,
    conversion_rate,
    shadow_conversion_rate,
    lift,
    lift_lower,
    lift_upper,
    relative_lift
from final
