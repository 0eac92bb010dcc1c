{#- What landing holds whenever this is asked: without what was withdrawn since the last
    build, and with what was landed since, unlike base_crawls__committed. -#}
{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ source('moovitamix', 'crawls') }}

),

renamed as (

    select
        -- ids
        cast(crawl_id as {{ dbt.type_string() }}) as crawl_id,

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
