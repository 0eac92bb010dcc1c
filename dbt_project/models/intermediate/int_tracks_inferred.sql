{#- The hook takes out those whose record has arrived. -#}
{{ config(
    materialized='incremental',
    unique_key='track_key',
    pre_hook="""
        {% if is_incremental() %}
        delete from {{ this }}
        where track_key in (
            select track_key from {{ ref('int_tracks_versioned') }}
            where {{ is_since_build(['first_observed_at']) }}
        )
        {% endif %}
    """,
) }}

with

listens as (

    select * from {{ ref('int_listens_unnested') }}

),

tracks as (

    select * from {{ ref('int_tracks_versioned') }}

),

{% if is_incremental() -%}
-- their first observation stays
known as (

    select * from {{ this }}

),
{%- endif %}

named_in_listens as (

    select
        source_name,
        track_id,
        min(valid_from) as first_observed_at
    from listens
    {% if is_incremental() -%}
    where {{ is_since_build(['valid_from']) }}
    {%- endif %}
    group by
        source_name,
        track_id

),

inferred as (

    select
        -- keys
        {{ surrogate_key([
            'named_in_listens.source_name', 'named_in_listens.track_id', '1'
        ]) }} as track_key,

        -- ids
        named_in_listens.source_name,
        named_in_listens.track_id,

        -- timestamps
        named_in_listens.first_observed_at
    from named_in_listens
    left join tracks
        on
            named_in_listens.source_name = tracks.source_name
            and named_in_listens.track_id = tracks.track_id
            and tracks.version_number = 1
    {% if is_incremental() -%}
    left join known
        on
            named_in_listens.source_name = known.source_name
            and named_in_listens.track_id = known.track_id
    where
        tracks.track_key is null
        and known.track_key is null
    {%- else -%}
    where tracks.track_key is null
    {%- endif %}

)

select * from inferred
