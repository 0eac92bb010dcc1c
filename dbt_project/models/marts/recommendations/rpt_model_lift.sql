with

outcomes as (

    select * from {{ ref('fct_recommendation_outcomes') }}
    where model_version is not null

),

-- the lists of a day count once, when the windows of all of them are over
days as (

    select
        source_name,
        model_version,
        user_id,
        for_date,
        {{ share_of_lists('converted_count', 'recommended_count') }} as converted_share,
        {{ share_of_lists('shadow_converted_count', 'shadow_count') }} as shadow_share
    from outcomes
    group by source_name, model_version, user_id, for_date
    having min(case when is_window_complete then 1 else 0 end) = 1

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
        avg(converted_share) as converted_share,
        avg(shadow_share) as shadow_share,
        avg(converted_share - shadow_share) as difference
    from days
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
        source_name,
        model_version,

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
        lift_lower,
        lift_upper,
        cast(
            {{ rounded('lift / nullif(shadow_conversion_rate, 0)') }}
            as {{ dbt.type_float() }}
        ) as relative_lift
    from measured

)

select * from final
