{#- As of the pinned boundary landing holds one open version for every record that
    the last crawl landed or carried on, and not one more. -#}

with

crawls as (

    select * from {{ ref('stg_moovitamix__crawls') }}

),

users as (

    select * from {{ ref('stg_moovitamix__users') }}

),

tracks as (

    select * from {{ ref('stg_moovitamix__tracks') }}

),

listen_history as (

    select * from {{ ref('stg_moovitamix__listen_history') }}

),

newest_first as (

    select
        *,
        row_number() over (order by boundary_at desc) as crawl_number
    from crawls

),

last_crawl as (

    select *
    from newest_first
    where crawl_number = 1

),

counted as (

    {% for endpoint in ['users', 'tracks', 'listen_history'] %}
    select
        last_crawl.boundary_at,
        '{{ endpoint }}' as endpoint,
        last_crawl.{{ endpoint }}_landed_count as landed_count,
        last_crawl.{{ endpoint }}_carried_forward_count as carried_forward_count,
        (
            select count(*)
            from {{ endpoint }}
            where {{ endpoint }}.valid_to is null
        ) as open_version_count
    from last_crawl
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select *
from counted
where
    landed_count is null
    or carried_forward_count is null
    or open_version_count <> landed_count + carried_forward_count
