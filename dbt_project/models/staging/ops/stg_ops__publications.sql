{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('ops', 'publications') }}

),

renamed as (

    select
        -- ids
        cast(invocation_id as {{ dbt.type_string() }}) as invocation_id,

        -- attributes
        cast(reason as {{ dbt.type_string() }}) as reason,

        -- booleans
        is_published,

        -- timestamps
        boundary_at,
        candidate_boundary_at,
        {{ to_utc('decided_at') }} as decided_at
    from source
    {{ where_begun('decided_at') }}

)

select * from renamed
