{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}

with

source as (

    select * from {{ source('moovitamix', 'listen_history') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from {{ ref('base_crawls__committed') }}

),

renamed as (

    select
        -- ids
        cast(source.user_id as {{ dbt.type_string() }}) as user_id,
        'moovitamix' as source_name,

        -- attributes
        source.items as track_ids,
        'record_updated_at' as updated_at_source,

        -- timestamps
        cast(source.created_at as {{ dbt.type_timestamp() }}) as created_at,
        cast(source.updated_at as {{ dbt.type_timestamp() }}) as updated_at,

        -- audit
        source.row_hash,
        {{ to_utc('source._dlt_valid_from') }} as valid_from,
        {{ valid_to_as_of_boundary() }} as valid_to
    from source
    cross join boundary
    where {{ is_landed_by_boundary() }}

)

select * from renamed
