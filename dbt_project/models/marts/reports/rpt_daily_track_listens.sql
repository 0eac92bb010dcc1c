with

listens as (

    select * from {{ ref('fct_listens') }}

),

counted as (

    select
        source_name,
        listened_date,
        track_id,
        count(*) as listen_count,
        count(distinct user_id) as listener_count
    from listens
    group by
        source_name,
        listened_date,
        track_id

),

final as (

    select
        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(listened_date as date) as listened_date,
        cast(track_id as {{ dbt.type_string() }}) as track_id,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(listener_count as {{ dbt.type_int() }}) as listener_count
    from counted

)

select
    source_name,
    listened_date,
    track_id,
    listen_count,
    listener_count
from final
