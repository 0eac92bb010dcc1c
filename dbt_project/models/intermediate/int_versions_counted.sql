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

counted as (

    select
        'users' as endpoint,
        source_name,
        valid_from,
        valid_to,
        count(*) as version_count
    from users
    group by source_name, valid_from, valid_to

    union all

    select
        'tracks' as endpoint,
        source_name,
        valid_from,
        valid_to,
        count(*) as version_count
    from tracks
    group by source_name, valid_from, valid_to

    union all

    select
        'listen_history' as endpoint,
        source_name,
        valid_from,
        valid_to,
        count(*) as version_count
    from listen_history
    group by source_name, valid_from, valid_to

)

select * from counted
