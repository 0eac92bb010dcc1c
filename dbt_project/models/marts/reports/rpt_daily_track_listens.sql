{{ config(
    materialized='incremental',
    unique_key=['source_name', 'listened_date'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

listening_days as (

    select * from {{ ref('int_listening_days') }}

),

counted as (

    select
        listens.source_name,
        listens.listened_date,
        listens.track_id,
        count(*) as listen_count,
        count(distinct listens.user_id) as listener_count
    from listens
    {% if is_incremental() -%}
    inner join listening_days
        on
            listens.source_name = listening_days.source_name
            and listens.listened_date = listening_days.listened_date
    where {{ is_since_build(['listening_days.changed_at']) }}
    {%- endif %}
    group by
        listens.source_name,
        listens.listened_date,
        listens.track_id

),

final as (

    select
        -- ids
        source_name,
        cast(listened_date as date) as listened_date,
        track_id,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(listener_count as {{ dbt.type_int() }}) as listener_count
    from counted

)

select * from final
