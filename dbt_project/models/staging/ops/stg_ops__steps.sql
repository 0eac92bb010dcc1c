{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'steps') }}

),

renamed as (

    select
        -- ids
        cast(run_id as {{ type_key() }}) as run_id,
        cast(step as {{ dbt.type_string() }}) as step_name,

        -- attributes
        cast(
            {{ unless_ended_later('status', "'running'") }} as {{ dbt.type_string() }}
        ) as status,
        cast(
            {{ unless_ended_later('message') }} as {{ dbt.type_string() }}
        ) as message,

        -- measures
        {{ unless_ended_later('cpu_seconds') }} as cpu_seconds,
        {{ unless_ended_later('peak_memory_bytes') }} as peak_memory_bytes,
        {{ unless_ended_later('read_bytes') }} as read_bytes,
        {{ unless_ended_later('written_bytes') }} as written_bytes,

        -- timestamps
        {{ to_utc('started_at') }} as started_at,
        {{ unless_ended_later(to_utc('ended_at')) }} as ended_at
    from source
    {{ where_begun() }}

)

select * from renamed
