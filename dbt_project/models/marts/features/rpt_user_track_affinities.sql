{{ config(
    materialized='incremental',
    unique_key=['source_name', 'user_id', 'track_id'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

current_users as (

    select * from {{ ref('dim_users') }}
    where is_current

),

current_tracks as (

    select * from {{ ref('dim_tracks') }}
    where is_current

),

{% if is_incremental() -%}
-- each read on its own: PostgreSQL would write out what is read twice
changed_listens as (

    select * from {{ ref('fct_listens') }}
    where {{ is_since_build(['record_changed_at']) }}

),

changed_users as (

    select * from {{ ref('dim_users') }}
    where
        is_current
        and {{ is_since_build(['valid_from']) }}

),

changed_tracks as (

    select * from {{ ref('dim_tracks') }}
    where
        is_current
        and {{ is_since_build(['valid_from']) }}

),

affected as (

    select
        source_name,
        user_id,
        track_id
    from changed_listens

    union

    select
        built.source_name,
        built.user_id,
        built.track_id
    from {{ this }} as built
    inner join changed_users
        on
            built.source_name = changed_users.source_name
            and built.user_id = changed_users.user_id

    union

    select
        built.source_name,
        built.user_id,
        built.track_id
    from {{ this }} as built
    inner join changed_tracks
        on
            built.source_name = changed_tracks.source_name
            and built.track_id = changed_tracks.track_id

),
{%- endif %}

counted as (

    select
        listens.source_name,
        listens.user_id,
        listens.track_id,
        count(*) as listen_count,
        sum(case when listens.is_in_current_record then 1 else 0 end)
            as current_listen_count,
        min(listens.listened_at) as first_listened_at,
        max(listens.listened_at) as last_listened_at
    from listens
    {% if is_incremental() -%}
    inner join affected
        on
            listens.source_name = affected.source_name
            and listens.user_id = affected.user_id
            and listens.track_id = affected.track_id
    {%- endif %}
    where listens.user_id is not null
    group by
        listens.source_name,
        listens.user_id,
        listens.track_id

),

keyed as (

    select
        current_users.user_key,
        current_tracks.track_key,
        counted.*
    from counted
    inner join current_users
        on
            counted.source_name = current_users.source_name
            and counted.user_id = current_users.user_id
    inner join current_tracks
        on
            counted.source_name = current_tracks.source_name
            and counted.track_id = current_tracks.track_id

),

final as (

    select
        -- keys
        user_key,
        track_key,

        -- ids
        source_name,
        user_id,
        track_id,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(current_listen_count as {{ dbt.type_int() }}) as current_listen_count,

        -- timestamps
        first_listened_at,
        last_listened_at
    from keyed

)

select * from final
