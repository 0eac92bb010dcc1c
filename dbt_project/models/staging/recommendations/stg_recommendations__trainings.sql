{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('recommendations', 'trainings') }}

),

renamed as (

    select
        -- ids
        cast(training_id as {{ type_key() }}) as training_id,
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(
            {{ unless_ended_later('model_version') }} as {{ dbt.type_string() }}
        ) as model_version,

        -- attributes
        cast(reason as {{ dbt.type_string() }}) as reason,
        cast(detail as {{ dbt.type_string() }}) as detail,
        cast(
            {{ unless_ended_later('status', "'running'") }} as {{ dbt.type_string() }}
        ) as status,
        cast(
            {{ unless_ended_later('message') }} as {{ dbt.type_string() }}
        ) as message,
        cast(
            {{ unless_ended_later('selected_candidate') }} as {{ dbt.type_string() }}
        ) as selected_candidate,
        cast(code_version as {{ dbt.type_string() }}) as code_version,

        -- measures
        seed,
        {{ unless_ended_later('user_count') }} as user_count,
        {{ unless_ended_later('track_count') }} as track_count,
        {{ unless_ended_later('listen_count') }} as listen_count,

        -- timestamps
        {{ to_utc('data_cutoff') }} as data_cutoff_at,
        {{ to_utc('split_at') }} as split_at,
        {{ to_utc('started_at') }} as started_at,
        {{ unless_ended_later(to_utc('ended_at')) }} as ended_at
    from source
    {{ where_begun() }}

)

select * from renamed
