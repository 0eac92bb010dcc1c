{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('recommendations', 'canaries') }}

),

renamed as (

    select
        -- ids
        cast(canary_id as {{ type_key() }}) as canary_id,
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(champion_version as {{ dbt.type_string() }}) as champion_version,
        cast(challenger_version as {{ dbt.type_string() }}) as challenger_version,

        -- attributes
        cast(
            {{ unless_ended_later('outcome') }} as {{ dbt.type_string() }}
        ) as outcome,
        cast(
            {{ unless_ended_later('reason') }} as {{ dbt.type_string() }}
        ) as reason,
        cast(code_version as {{ dbt.type_string() }}) as code_version,

        -- measures
        share,

        -- timestamps
        {{ to_utc('started_at') }} as started_at,
        {{ unless_ended_later(to_utc('ended_at')) }} as ended_at
    from source
    {{ where_begun() }}

)

select * from renamed
