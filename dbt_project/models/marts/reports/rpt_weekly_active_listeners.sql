with

listens as (

    select * from {{ ref('fct_listens') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

first_weeks as (

    select
        listens.source_name,
        listens.user_id,
        min(dates.week_start_date) as first_week_start_date
    from listens
    inner join dates
        on listens.listened_date = dates.date_day
    group by
        listens.source_name,
        listens.user_id

),

counted as (

    select
        listens.source_name,
        dates.week_start_date,
        count(distinct listens.user_id) as listener_count,
        count(distinct case
            when first_weeks.first_week_start_date = dates.week_start_date
                then listens.user_id
        end) as new_listener_count,
        count(distinct listens.track_id) as track_count,
        count(*) as listen_count
    from listens
    inner join dates
        on listens.listened_date = dates.date_day
    left join first_weeks
        on
            listens.source_name = first_weeks.source_name
            and listens.user_id = first_weeks.user_id
    group by
        listens.source_name,
        dates.week_start_date

),

final as (

    select
        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(week_start_date as date) as week_start_date,

        -- measures
        cast(listener_count as {{ dbt.type_int() }}) as listener_count,
        cast(new_listener_count as {{ dbt.type_int() }}) as new_listener_count,
        cast(track_count as {{ dbt.type_int() }}) as track_count,
        cast(listen_count as {{ dbt.type_int() }}) as listen_count
    from counted

)

select
    source_name,
    week_start_date,
    listener_count,
    new_listener_count,
    track_count,
    listen_count
from final
