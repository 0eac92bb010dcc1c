{{ config(
    materialized='incremental',
    unique_key=['source_name', 'user_id', 'track_id'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}

),

{% if is_incremental() -%}
affected as (

    select distinct
        source_name,
        user_id,
        track_id
    from {{ ref('fct_listens') }}
    where {{ is_since_build(['record_changed_at']) }}

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

final as (

    select
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
    from counted

)

select * from final
