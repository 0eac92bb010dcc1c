{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}
{% set landed = source('moovitamix', 'users') %}

with

source as (

    select * from {{ source('moovitamix', 'users') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from {{ ref('base_crawls__committed') }}

),

renamed as (

    select
        -- ids
        cast(source.id as {{ dbt.type_string() }}) as user_id,
        'moovitamix' as source_name,

        -- attributes
        cast({{ landed_column(landed, 'first_name') }} as {{ dbt.type_string() }})
            as first_name,
        cast({{ landed_column(landed, 'last_name') }} as {{ dbt.type_string() }})
            as last_name,
        cast({{ landed_column(landed, 'email') }} as {{ dbt.type_string() }})
            as email,
        cast(source.gender as {{ dbt.type_string() }}) as gender,
        cast(source.favorite_genres as {{ dbt.type_string() }}) as favorite_genres,

        -- timestamps
        cast(source.created_at as {{ dbt.type_timestamp() }}) as created_at,
        cast(source.updated_at as {{ dbt.type_timestamp() }}) as updated_at,

        -- audit
        cast({{ landed_column(landed, 'row_hash') }} as {{ dbt.type_string() }})
            as row_hash,
        {{ to_utc('source._dlt_valid_from') }} as valid_from,
        {{ valid_to_as_of_boundary() }} as valid_to
    from source
    cross join boundary
    where {{ is_landed_by_boundary() }}

)

select * from renamed
