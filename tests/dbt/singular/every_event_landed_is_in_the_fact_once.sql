{#- The plays that events have told of, from 30 seconds on, are the fact's listens of
    their source. Counted from staging, before the model that tells equal ones apart. -#}

{%- set told = [ref('stg_events__listens'), ref('fct_listens')] %}

with

events as (

    select * from {{ ref('stg_events__listens') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

told_once as (

    select
        user_id,
        track_id,
        count(distinct played_at) as listen_count
    from events
    where
        seconds_played >= 30
        {{ only_audited('and', ['source_name', 'user_id'], told) }}
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
        source_name = 'events'
        {{ only_audited('and', ['source_name', 'user_id'], told) }}
    group by
        user_id,
        track_id

)

select
    coalesce(told_once.user_id, built.user_id) as user_id,
    coalesce(told_once.track_id, built.track_id) as track_id,
    told_once.listen_count as landed_count,
    built.listen_count as built_count
from told_once
full outer join built
    on
        told_once.user_id = built.user_id
        and told_once.track_id = built.track_id
where coalesce(told_once.listen_count, 0) <> coalesce(built.listen_count, 0)
