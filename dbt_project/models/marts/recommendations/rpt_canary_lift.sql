with

outcomes as (

    select * from {{ ref('fct_recommendation_outcomes') }}

),

canaries as (

    select * from {{ ref('stg_recommendations__canaries') }}

),

canary_users as (

    select * from {{ ref('stg_recommendations__canary_users') }}

),

-- the lists of a day count once, when the windows of all of them are over
days as (

    select
        canaries.canary_id,
        outcomes.user_id,
        outcomes.for_date,
        max(case when canary_users.user_id is not null then 1 else 0 end) as is_served,
        {{ share_of_lists('outcomes.converted_count', 'outcomes.recommended_count') }}
        - {{ share_of_lists(
            'outcomes.shadow_converted_count', 'outcomes.shadow_count'
        ) }} as lift
    from outcomes
    inner join canaries
        on
            outcomes.source_name = canaries.source_name
            and outcomes.generated_at >= canaries.started_at
            and (
                canaries.ended_at is null
                or outcomes.generated_at < canaries.ended_at
            )
    left join canary_users
        on
            canaries.canary_id = canary_users.canary_id
            and outcomes.user_id = canary_users.user_id
    group by
        canaries.canary_id,
        outcomes.user_id,
        outcomes.for_date
    having min(case when outcomes.is_window_complete then 1 else 0 end) = 1

),

-- users count once, however many days they had lists
users as (

    select
        canary_id,
        user_id,
        max(is_served) as is_served,
        avg(lift) as lift
    from days
    group by canary_id, user_id

),

counted_days as (

    select
        canary_id,
        count(distinct for_date) as day_count
    from days
    group by canary_id

),

measured as (

    select
        canary_id,
        sum(1 - is_served) as champion_user_count,
        sum(is_served) as challenger_user_count,
        avg(case when is_served = 0 then lift end) as champion_lift,
        avg(case when is_served = 1 then lift end) as challenger_lift,
        var_samp(case when is_served = 0 then lift end) as champion_variance,
        var_samp(case when is_served = 1 then lift end) as challenger_variance
    from users
    group by canary_id

),

-- by the normal approximation, of two groups whose variances differ
compared as (

    select
        *,
        challenger_lift - champion_lift as lift_difference,
        1.96 * sqrt(
            champion_variance / nullif(champion_user_count, 0)
            + challenger_variance / nullif(challenger_user_count, 0)
        ) as half_width
    from measured

),

final as (

    select
        -- ids
        canaries.canary_id,
        canaries.source_name,
        canaries.champion_version,
        canaries.challenger_version,

        -- attributes
        canaries.outcome,
        canaries.reason,
        canaries.code_version,

        -- measures
        cast(canaries.share as {{ dbt.type_float() }}) as served_share,
        cast(coalesce(counted_days.day_count, 0) as {{ dbt.type_int() }}) as day_count,
        cast(coalesce(compared.champion_user_count, 0) as {{ dbt.type_int() }})
            as champion_user_count,
        cast(coalesce(compared.challenger_user_count, 0) as {{ dbt.type_int() }})
            as challenger_user_count,
        cast({{ rounded('compared.champion_lift') }} as {{ dbt.type_float() }})
            as champion_lift,
        cast({{ rounded('compared.challenger_lift') }} as {{ dbt.type_float() }})
            as challenger_lift,
        cast({{ rounded('compared.lift_difference') }} as {{ dbt.type_float() }})
            as difference,
        cast(
            {{ rounded('compared.lift_difference - compared.half_width') }}
            as {{ dbt.type_float() }}
        ) as difference_lower,
        cast(
            {{ rounded('compared.lift_difference + compared.half_width') }}
            as {{ dbt.type_float() }}
        ) as difference_upper,

        -- timestamps
        canaries.started_at,
        canaries.ended_at
    from canaries
    left join counted_days
        on canaries.canary_id = counted_days.canary_id
    left join compared
        on canaries.canary_id = compared.canary_id

)

select * from final
