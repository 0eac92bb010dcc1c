{{ config(
    materialized='incremental',
    unique_key='track_key',
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
        named_in_listens.first_observed_at,
        tracks.first_observed_at as arrived_at
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
        (
            tracks.track_key is null
            or tracks.first_observed_at > named_in_listens.first_observed_at
        )
        and known.track_key is null

    union all

    select
        known.track_key,
        known.source_name,
        known.track_id,
        known.first_observed_at,
        tracks.first_observed_at as arrived_at
    from known
    inner join tracks
        on
            known.source_name = tracks.source_name
            and known.track_id = tracks.track_id
            and tracks.version_number = 1
    where
        known.arrived_at is null
        and {{ is_since_build(['tracks.first_observed_at']) }}
    {%- else -%}
    where
        tracks.track_key is null
        or tracks.first_observed_at > named_in_listens.first_observed_at
    {%- endif %}

)

select * from inferred
