{#- The fact's listens that the source still lists are the items of the open
    records, counted by record. -#}

{%- set records = [ref('int_listen_history_versioned'), ref('fct_listens')] %}

with

sightings as (

    select * from {{ ref('int_listens_unnested') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

listed as (

    select
        history_key,
        count(*) as item_count
    from sightings
    where
        valid_to is null
        {{ only_audited('and', ['history_key'], records) }}
    group by history_key

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
