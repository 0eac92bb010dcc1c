{#- For every committed crawl and endpoint: what the API reported has landed, was an
    identical duplicate, was rejected, or is of a person who was forgotten. -#}

with

crawls as (

    select * from {{ ref('stg_moovitamix__crawls') }}

),

counted as (

    {% for endpoint in ['users', 'tracks', 'listen_history'] %}
    select
        crawl_id,
        boundary_at,
        '{{ endpoint }}' as endpoint,
        {{ endpoint }}_reported_count as reported_count,
        {{ endpoint }}_landed_count as landed_count,
        {{ endpoint }}_duplicates_count as duplicates_count,
        {{ endpoint }}_rejected_count as rejected_count,
        {{ endpoint }}_forgotten_count as forgotten_count
    from crawls
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select *
from counted
where
    reported_count is null
    or reported_count
    <> landed_count + duplicates_count + rejected_count + forgotten_count
