{{ config(
    materialized='incremental',
    unique_key=['source_name', 'first_observed_at'],
) }}

with

listens as (

    select * from {{ ref('fct_listens') }}
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at']) }}
    {%- endif %}

),

grouped as (

    select
        source_name,
        listened_at_source,
        first_observed_at,
        min(listened_date) as first_listened_date,
        max(listened_date) as last_listened_date,
        count(*) as listen_count
    from listens
    group by
        source_name,
        listened_at_source,
        first_observed_at

)

select * from grouped
