{#- The listens that any version of any record has ever listed are the rows of the
    fact, each once, no more and no fewer; and those that the open version lists are the
    ones that the source still has. Counted from landing by another way than the fact's
    own: the n-th occurrence exists where a version lists the track at least n times. -#}

{%- set records = [ref('int_listen_history_versioned'), ref('fct_listens')] %}

with

-- not those of int_listens_unnested: PostgreSQL would unnest all that landed before it
-- leaves records out
listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

versions as (

    select
        history_key,
        valid_from,
        valid_to,
        track_ids
    from listen_history
    {{ only_audited('where', ['history_key'], records) }}
    {{ optimization_fence() }}

),

repeats as (

    select
        versions.history_key,
        versions.valid_from,
        versions.valid_to,
        listen.element as track_id,
        count(*) as repeat_count
    from versions
    {{ cross_join_json_array('versions.track_ids', 'listen') }}
    group by
        versions.history_key,
        versions.valid_from,
        versions.valid_to,
        listen.element

),

landed as (

    select
        history_key,
        track_id,
        max(repeat_count) as listen_count,
        sum(case when valid_to is null then repeat_count else 0 end) as current_count
    from repeats
    group by
        history_key,
        track_id

),

audited_listens as (

    select
        history_key,
        track_id,
        listen_key,
        is_in_current_record
    from listens
    {{ only_audited('where', ['history_key'], records) }}
    {{ optimization_fence() }}

),

built as (

    select
        history_key,
        track_id,
        count(*) as listen_count,
        sum(case when is_in_current_record then 1 else 0 end) as current_count,
        count(distinct listen_key) as key_count
    from audited_listens
    group by
        history_key,
        track_id

)

select
    coalesce(landed.history_key, built.history_key) as history_key,
    coalesce(landed.track_id, built.track_id) as track_id,
    landed.listen_count as landed_count,
    built.listen_count as built_count,
    landed.current_count as landed_current_count,
    built.current_count as built_current_count,
    built.key_count
from landed
full outer join built
    on
        landed.history_key = built.history_key
        and landed.track_id = built.track_id
where
    landed.listen_count is null
    or built.listen_count is null
    or landed.listen_count <> built.listen_count
    or landed.current_count <> built.current_count
    or built.key_count <> built.listen_count
