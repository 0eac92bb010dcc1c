{{ config(
    materialized='incremental',
    unique_key=['source_name', 'listened_date'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

track_genres as (

    select * from {{ ref('bridge_track_genres') }}

),

listening_days as (

    select * from {{ ref('int_listening_days') }}

),

-- a listen counts once for each genre of its track
counted as (

    select
        track_genres.genre_key,
        listens.source_name,
        listens.listened_date,
        count(*) as listen_count,
        count(distinct listens.user_id) as listener_count
    from listens
    inner join track_genres
        on listens.track_key = track_genres.track_key
    {% if is_incremental() -%}
    inner join listening_days
        on
            listens.source_name = listening_days.source_name
            and listens.listened_date = listening_days.listened_date
    where {{ is_since_build(['listening_days.changed_at']) }}
    {%- endif %}
    group by
        track_genres.genre_key,
        listens.source_name,
        listens.listened_date

),

final as (

    select
        -- keys
        genre_key,

        -- ids
        source_name,
        cast(listened_date as date) as listened_date,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(listener_count as {{ dbt.type_int() }}) as listener_count
    from counted

)

select * from final
