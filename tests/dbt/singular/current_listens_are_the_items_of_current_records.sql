{#- The fact's listens that the source still lists are the items of the open
    records, counted by record. -#}

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

open_records as (

    select
        history_key,
        track_ids
    from listen_history
    where
        valid_to is null
        {{ only_audited('and', ['history_key'], records) }}
    {{ optimization_fence() }}

),

listed as (

    select
        open_records.history_key,
        count(*) as item_count
    from open_records
    {{ cross_join_json_array('open_records.track_ids', 'listen') }}
    group by open_records.history_key

),

built as (

    select
        history_key,
        count(*) as listen_count
    from listens
    where
        is_in_current_record
        {{ only_audited('and', ['history_key'], records) }}
    group by history_key

)

select
    coalesce(listed.history_key, built.history_key) as history_key,
    listed.item_count,
    built.listen_count
from listed
full outer join built
    on listed.history_key = built.history_key
where coalesce(listed.item_count, 0) <> coalesce(built.listen_count, 0)
