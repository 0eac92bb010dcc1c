{{ config(
    materialized='incremental',
    unique_key=['source_name', 'for_date'],
) }}

with

outcomes as (

    select * from {{ ref('fct_recommendation_outcomes') }}

),

-- what all lists of a day have in common
days as (

    select
        source_name,
        for_date,
        max(generated_at) as last_generated_at,
        min(data_cutoff_at) as data_cutoff_at,
        max(window_ends_at) as window_ends_at,
        min(case when is_window_complete then 1 else 0 end) = 1 as is_window_complete
    from outcomes
    group by source_name, for_date
    {% if is_incremental() -%}
    having max(window_ends_at) > {{ built_until() }}
    {%- endif %}

),

-- of each user, the share of both lists that was listened to
shares as (

    select
        outcomes.source_name,
        outcomes.for_date,
        outcomes.user_id,
        days.is_window_complete,
        days.data_cutoff_at,
        days.window_ends_at,
        max(
            case
                when outcomes.generated_at = days.last_generated_at
                    then outcomes.model_version
            end
        ) as model_version,
        {{ share_of_lists('outcomes.converted_count', 'outcomes.recommended_count') }}
            as converted_share,
        {{ share_of_lists('outcomes.shadow_converted_count', 'outcomes.shadow_count') }}
            as shadow_share,
        sum(outcomes.new_track_count) as new_track_count,
        sum(outcomes.converted_new_track_count) as converted_new_track_count,
        max(case when outcomes.is_hit then 1.0 else 0 end) as hit
    from outcomes
    inner join days
        on
            outcomes.source_name = days.source_name
            and outcomes.for_date = days.for_date
    group by
        outcomes.source_name,
        outcomes.for_date,
        outcomes.user_id,
        days.is_window_complete,
        days.data_cutoff_at,
        days.window_ends_at

),

measured as (

    select
        source_name,
        for_date,
        is_window_complete,
        data_cutoff_at,
        window_ends_at,
        max(model_version) as model_version,
        count(*) as user_count,
        sum(new_track_count) as new_track_count,
        {{ rounded('avg(converted_share)') }} as conversion_rate,
        {{ rounded('avg(shadow_share)') }} as shadow_conversion_rate,
        {{ rounded(
            '1.0 * sum(converted_new_track_count) / nullif(sum(new_track_count), 0)'
        ) }} as new_track_conversion_rate,
        {{ rounded('avg(hit)') }} as user_hit_rate,
        {{ lift_with_interval('converted_share - shadow_share') }}
    from shares
    group by
        source_name,
        for_date,
        is_window_complete,
        data_cutoff_at,
        window_ends_at

),

final as (

    select
        -- ids
        source_name,
        cast(for_date as date) as for_date,
        model_version,

        -- measures
        cast(user_count as {{ dbt.type_int() }}) as user_count,
        cast(new_track_count as {{ dbt.type_int() }}) as new_track_count,
        cast(conversion_rate as {{ dbt.type_float() }}) as conversion_rate,
        cast(shadow_conversion_rate as {{ dbt.type_float() }})
            as shadow_conversion_rate,
        cast(new_track_conversion_rate as {{ dbt.type_float() }})
            as new_track_conversion_rate,
        cast(user_hit_rate as {{ dbt.type_float() }}) as user_hit_rate,
        cast(lift as {{ dbt.type_float() }}) as lift,
        lift_lower,
        lift_upper,
        cast(
            {{ rounded('lift / nullif(shadow_conversion_rate, 0)') }}
            as {{ dbt.type_float() }}
        ) as relative_lift,

        -- booleans
        is_window_complete,

        -- timestamps
        data_cutoff_at,
        window_ends_at
    from measured

)

select * from final
