with

outcomes as (

    select * from {{ ref('fct_recommendation_outcomes') }}
    where explored_count > 0

),

-- the lists of a day count once, when the windows of all of them are over
users as (

    select
        source_name,
        for_date,
        user_id,
        {{ share_of_lists('explored_converted_count', 'explored_count') }}
            as explored_share,
        {{ share_of_lists('neighbor_converted_count', 'neighbor_count') }}
            as neighbor_share,
        sum(explored_count) as explored_count
    from outcomes
    group by source_name, for_date, user_id
    having min(case when is_window_complete then 1 else 0 end) = 1

),

measured as (

    select
        source_name,
        for_date,
        count(*) as user_count,
        sum(explored_count) as explored_count,
        {{ rounded('avg(explored_share)') }} as explored_conversion_rate,
        {{ rounded('avg(neighbor_share)') }} as neighbor_conversion_rate,
        {{ lift_with_interval('explored_share - neighbor_share') }}
    from users
    group by source_name, for_date

),

final as (

    select
        -- ids
        source_name,
        cast(for_date as date) as for_date,

        -- measures
        cast(user_count as {{ dbt.type_int() }}) as user_count,
        cast(explored_count as {{ dbt.type_int() }}) as explored_count,
        cast(explored_conversion_rate as {{ dbt.type_float() }})
            as explored_conversion_rate,
        cast(neighbor_conversion_rate as {{ dbt.type_float() }})
            as neighbor_conversion_rate,
        cast(lift as {{ dbt.type_float() }}) as lift,
        lift_lower,
        lift_upper
    from measured

)

select * from final
