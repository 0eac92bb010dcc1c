{{ config(
    materialized='incremental',
    unique_key=['source_name', 'listened_date'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

earlier_listens as (

    select * from {{ ref('fct_listens') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

changes as (

    select
        source_name,
        listened_date,
        first_observed_at as changed_at
    from listens
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at']) }}
    {%- endif %}

    union all

    -- a track's record that arrives later gives its listens an artist and genres
    select
        earlier_listens.source_name,
        earlier_listens.listened_date,
        tracks.first_observed_at as changed_at
    from earlier_listens
    inner join tracks
        on earlier_listens.track_key = tracks.track_key
    {% if is_incremental() -%}
    where {{ is_since_build(['tracks.first_observed_at']) }}
    {%- endif %}

),

grouped as (

    select
        source_name,
        listened_date,
        max(changed_at) as changed_at
    from changes
    group by
        source_name,
        listened_date

)

select * from grouped
