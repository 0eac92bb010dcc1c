{#- A table: two models read it, and each would read all of landing. -#}
{{ config(materialized='table') }}

with

users as (

    select * from {{ ref('stg_moovitamix__users') }}

),

tracks as (

    select * from {{ ref('stg_moovitamix__tracks') }}

),

listen_history as (

    select * from {{ ref('stg_moovitamix__listen_history') }}

),

-- a time after the crawl that saw it first cannot be
counted as (

    {% for endpoint in ['users', 'tracks', 'listen_history'] -%}
    select
        '{{ endpoint }}' as endpoint,
        source_name,
        valid_from,
        valid_to,
        count(*) as version_count,
        greatest(
            max(case when created_at <= valid_from then created_at end),
            max(case when updated_at <= valid_from then updated_at end)
        ) as last_named_at
    from {{ endpoint }}
    group by source_name, valid_from, valid_to
    {%- if not loop.last %}

    union all

    {% endif %}
    {%- endfor %}

)

select * from counted
