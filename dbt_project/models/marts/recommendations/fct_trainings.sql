{#- A view, as those of `health` are: right at any moment. So are the next two. -#}
{{ config(materialized='view') }}

with

trainings as (

    select * from {{ ref('stg_recommendations__trainings') }}

),

final as (

    select
        -- ids
        training_id,
        source_name,
        model_version,

        -- attributes
        reason,
        detail,
        status,
        message,
        selected_candidate,
        code_version,

        -- measures
        seed,
        user_count,
        track_count,
        listen_count,
        cast(
            {{ seconds_between('started_at', 'ended_at') }} as {{ dbt.type_float() }}
        ) as duration_seconds,

        -- timestamps
        data_cutoff_at,
        split_at,
        started_at,
        ended_at
    from trainings

)

select * from final
