{#- The plays that an export has told of, from 30 seconds on, are the fact's listens of
    its source: counted from staging, before the models that tell equal ones apart. -#}

{%- set plays = [ref('stg_spotify__streams'), ref('fct_listens')] %}

with

streams as (

    select * from {{ ref('stg_spotify__streams') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

imported as (

    select
        user_id,
        track_id,
        count(distinct ended_at) as listen_count
    from streams
    where
        track_id is not null
        and played_ms >= 30000
        {{ only_audited('and', ['source_name', 'user_id'], plays) }}
    group by
        user_id,
        track_id

),

built as (

    select
        user_id,
        track_id,
        count(*) as listen_count
    from listens
    where
        source_name = 'spotify'
        {{ only_audited('and', ['source_name', 'user_id'], plays) }}
    group by
        user_id,
        track_id

)

select
    coalesce(imported.user_id, built.user_id) as user_id,
    coalesce(imported.track_id, built.track_id) as track_id,
    imported.listen_count as imported_count,
    built.listen_count as built_count
from imported
full outer join built
    on
        imported.user_id = built.user_id
        and imported.track_id = built.track_id
where coalesce(imported.listen_count, 0) <> coalesce(built.listen_count, 0)
