{#- A view, as those of `health` are: right at any moment. So are the next two. -#}
{{ config(materialized='view') }}

with

trainings as (

    select * from {{ ref('stg_recommendations__trainings') }}

),

final as (

    select
        -- ids
        cast(training_id as {{ type_key() }}) as training_id,
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(model_version as {{ dbt.type_string() }}) as model_version,

        -- attributes
        cast(reason as {{ dbt.type_string() }}) as reason,
        cast(detail as {{ dbt.type_string() }}) as detail,
        cast(status as {{ dbt.type_string() }}) as status,
        cast(message as {{ dbt.type_string() }}) as message,
        cast(selected_candidate as {{ dbt.type_string() }}) as selected_candidate,
        cast(code_version as {{ dbt.type_string() }}) as code_version,

        -- measures
        cast(seed as {{ dbt.type_int() }}) as seed,
        cast(user_count as {{ dbt.type_int() }}) as user_count,
        cast(track_count as {{ dbt.type_int() }}) as track_count,
        cast(listen_count as {{ dbt.type_bigint() }}) as listen_count,
        cast(
            {{ seconds_between('started_at', 'ended_at') }} as {{ dbt.type_float() }}
        ) as duration_seconds,

        -- timestamps
        cast(data_cutoff_at as {{ dbt.type_timestamp() }}) as data_cutoff_at,
        cast(split_at as {{ dbt.type_timestamp() }}) as split_at,
        cast(started_at as {{ dbt.type_timestamp() }}) as started_at,
        cast(ended_at as {{ dbt.type_timestamp() }}) as ended_at
    from trainings

)

select
    training_id,
    source_name,
    model_version,
    reason,
    detail,
    status,
    message,
    selected_candidate,
    code_version,
    seed,
    user_count,
    track_count,
    listen_count,
    duration_seconds,
    data_cutoff_at,
    split_at,
    started_at,
    ended_at
from final
