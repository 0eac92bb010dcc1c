{#- The clock of all sources. A table, unlike the rest of staging: the newest row pins
    the boundary that everything built from here on reads landing as of. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='refill',
    on_schema_change='sync_all_columns',
) }}

with

source as (

    select * from {{ source('moovitamix', 'crawls') }}

),

renamed as (

    select
        -- ids
        cast(crawl_id as {{ dbt.type_string() }}) as crawl_id,
        'moovitamix' as source_name,

        -- timestamps
        {{ to_utc('boundary_at') }} as boundary_at,
        {{ to_utc('committed_at') }} as committed_at

    from source
    {% set until = as_of().until -%}
    {% if until -%}
    where
        {{ to_utc('boundary_at') }}
        <= cast('{{ until }}' as {{ dbt.type_timestamp() }})
    {% endif %}

)

select * from renamed
