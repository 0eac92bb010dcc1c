{#- Nothing in the marts knows of a time after the pinned boundary. Fails where
    landing was set back (restored, or a crawl withdrawn) under tables built before
    that, and only some of them are built since: `dbt build` heals them. -#}

with

crawls as (

    select * from {{ ref('stg_moovitamix__crawls') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from crawls

),

newest as (

    select
        'fct_listens' as relation_name,
        max(record_changed_at) as newest_at
    from listens

    union all

    select
        'dim_users' as relation_name,
        max(first_observed_at) as newest_at
    from users

    union all

    select
        'dim_tracks' as relation_name,
        max(first_observed_at) as newest_at
    from tracks

)

select
    newest.relation_name,
    newest.newest_at,
    boundary.boundary_at
from newest
cross join boundary
where newest.newest_at > boundary.boundary_at
