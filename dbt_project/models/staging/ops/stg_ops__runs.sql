{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'runs') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,

        -- attributes
        cast(command as {{ dbt.type_string() }}) as command,
        cast(trigger as {{ dbt.type_string() }}) as trigger,
        cast(code_version as {{ dbt.type_string() }}) as code_version,
        cast(host as {{ dbt.type_string() }}) as host,
        cast(
            {{ unless_ended_later('status', "'running'") }} as {{ dbt.type_string() }}
        ) as status,
        cast(
            {{ unless_ended_later('failed_step') }} as {{ dbt.type_string() }}
        ) as failed_step,
        cast(
            {{ unless_ended_later('message') }} as {{ dbt.type_string() }}
        ) as message,

        -- measures
        attempt,

        -- timestamps
        {{ to_utc('started_at') }} as started_at,
        {{ unless_ended_later(to_utc('ended_at')) }} as ended_at
    from source
    {{ where_begun() }}

)

select * from renamed
