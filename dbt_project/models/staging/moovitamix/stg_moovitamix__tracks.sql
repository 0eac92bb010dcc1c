{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}

with

source as (

    select * from {{ source('moovitamix', 'tracks') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from {{ ref('base_crawls__committed') }}

),

renamed as (

    select
        -- ids
        cast(source.id as {{ dbt.type_string() }}) as track_id,
        'moovitamix' as source_name,

        -- attributes
        cast(source.name as {{ dbt.type_string() }}) as track_name,
        cast(source.artist as {{ dbt.type_string() }}) as artist_name,
        cast(source.songwriters as {{ dbt.type_string() }}) as songwriter_names,
        cast(source.duration as {{ dbt.type_string() }}) as duration,
        cast(source.genres as {{ dbt.type_string() }}) as genres,
        cast(source.album as {{ dbt.type_string() }}) as album_title,

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
