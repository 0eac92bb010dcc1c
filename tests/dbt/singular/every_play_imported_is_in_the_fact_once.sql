{#- The plays that exports have told of, from 30 seconds on, are the fact's listens of
    their source. Those with an id are counted from staging, before the models that tell
    equal ones apart; which of the others are plays of their own, those models say. -#}

{%- set told = [
    ref('stg_spotify__streams'),
    ref('stg_spotify__account_streams'),
    ref('fct_listens'),
] %}

with

streams as (

    select * from {{ ref('stg_spotify__streams') }}

),

plays as (

    select * from {{ ref('int_spotify_plays') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

told_once as (

    select
        user_id,
        track_id,
        ended_at
    from streams
    where
        track_id is not null
        and played_ms >= 30000
        {{ only_audited('and', ['source_name', 'user_id'], told) }}

    union

    select
        user_id,
        track_id,
        ended_at
    from plays
    where
        not has_own_id
        {{ only_audited('and', ['source_name', 'user_id'], told) }}

),

imported as (

    select
        user_id,
        track_id,
        count(*) as listen_count
    from told_once
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
        {{ only_audited('and', ['source_name', 'user_id'], told) }}
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
