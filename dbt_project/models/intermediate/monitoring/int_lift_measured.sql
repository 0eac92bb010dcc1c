{% set last_days = 7 %}
{{ config(materialized='incremental') }}

with

outcomes as (

    select * from {{ ref('fct_recommendation_outcomes') }}

),

-- a list since which nobody heard anything new tells nothing
days as (

    select
        source_name,
        for_date,
        row_number() over (
            partition by source_name order by for_date desc
        ) as recency
    from outcomes
    group by source_name, for_date
    having sum(new_track_count) > 0

),

shares as (

    select
        outcomes.source_name,
        outcomes.for_date,
        outcomes.user_id,
        {{ share_of_lists('outcomes.converted_count', 'outcomes.recommended_count') }}
            as converted_share,
        {{ share_of_lists('outcomes.shadow_converted_count', 'outcomes.shadow_count') }}
            as shadow_share
    from outcomes
    inner join days
        on
            outcomes.source_name = days.source_name
            and outcomes.for_date = days.for_date
            and days.recency <= {{ last_days }}
    group by
        outcomes.source_name,
        outcomes.for_date,
        outcomes.user_id

),

-- the days of a user are not independent: users are what is counted
users as (

    select
        source_name,
        user_id,
        avg(converted_share) as converted_share,
        avg(shadow_share) as shadow_share,
        avg(converted_share - shadow_share) as difference
    from shares
    group by source_name, user_id

),

spans as (

    select
        source_name,
        min(for_date) as first_for_date,
        max(for_date) as last_for_date,
        count(distinct for_date) as day_count
    from shares
    group by source_name

),

lifts as (

    select
        source_name,
        count(*) as user_count,
        {{ rounded('avg(converted_share)') }} as conversion_rate,
        {{ rounded('avg(shadow_share)') }} as shadow_conversion_rate,
        {{ lift_with_interval('difference') }}
    from users
    group by source_name

),

measured as (

    select
        lifts.source_name,
        spans.first_for_date,
        spans.last_for_date,
        spans.day_count,
        lifts.user_count,
        cast(lifts.conversion_rate as {{ dbt.type_float() }}) as conversion_rate,
        cast(lifts.shadow_conversion_rate as {{ dbt.type_float() }})
            as shadow_conversion_rate,
        cast(lifts.lift as {{ dbt.type_float() }}) as lift,
        cast(lifts.lift_lower as {{ dbt.type_float() }}) as lift_lower,
        cast(lifts.lift_upper as {{ dbt.type_float() }}) as lift_upper
    from lifts
    inner join spans on lifts.source_name = spans.source_name

)

select * from measured
