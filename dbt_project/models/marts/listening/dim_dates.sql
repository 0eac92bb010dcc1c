{{ config(indexes=[{'columns': ['date_day'], 'unique': true}]) }}

with

listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

first_listen as (

    select min(listened_at) as listened_at
    from listen_history

),

observed as (

    select
        least(min(crawls.boundary_at), min(first_listen.listened_at)) as first_at,
        max(crawls.boundary_at) as last_at
    from crawls
    cross join first_listen

),

-- whole years, from that of the first listen to that of the newest crawl
bounds as (

    select
        {{ dbt.date_trunc('year', 'first_at') }} as first_day,
        {{ dbt.dateadd('year', 1, dbt.date_trunc('year', 'last_at')) }}
            as day_after_last
    from observed

),

-- 65,536 days are 179 years
series as (

    {{ dbt.generate_series(65536) | indent(4) }}

),

numbers as (

    select generated_number - 1 as day_number
    from series

),

days as (

    select
        bounds.day_after_last,
        cast(
            {{ dbt.dateadd('day', 'numbers.day_number', 'bounds.first_day') }}
            as date
        ) as date_day
    from bounds
    cross join numbers

),

described as (

    select
        date_day,
        extract(year from date_day) as year_number,
        extract(quarter from date_day) as quarter_of_year,
        extract(month from date_day) as month_of_year,
        {{ month_name('date_day') }} as month_name,
        extract(day from date_day) as day_of_month,
        {{ day_of_year('date_day') }} as day_of_year,
        {{ iso_year('date_day') }} as iso_year_number,
        extract(week from date_day) as iso_week_of_year,
        {{ iso_day_of_week('date_day') }} as iso_day_of_week,
        {{ day_name('date_day') }} as day_name,
        case
            when extract(month from date_day) in (12, 1, 2) then 'winter'
            when extract(month from date_day) in (3, 4, 5) then 'spring'
            when extract(month from date_day) in (6, 7, 8) then 'summer'
            else 'autumn'
        end as season,
        {{ dbt.date_trunc('week', 'date_day') }} as week_start_date,
        {{ dbt.date_trunc('month', 'date_day') }} as month_start_date,
        {{ dbt.last_day('date_day', 'month') }} as month_end_date,
        {{ dbt.date_trunc('quarter', 'date_day') }} as quarter_start_date,
        {{ iso_day_of_week('date_day') }} in (6, 7) as is_weekend,
        date_day = {{ dbt.last_day('date_day', 'month') }} as is_month_end
    from days
    where date_day < day_after_last

),

final as (

    select
        -- keys
        cast(date_day as date) as date_day,

        -- attributes
        cast(year_number as {{ dbt.type_int() }}) as year_number,
        cast(quarter_of_year as {{ dbt.type_int() }}) as quarter_of_year,
        cast(month_of_year as {{ dbt.type_int() }}) as month_of_year,
        cast(month_name as {{ dbt.type_string() }}) as month_name,
        cast(day_of_month as {{ dbt.type_int() }}) as day_of_month,
        cast(day_of_year as {{ dbt.type_int() }}) as day_of_year,
        cast(iso_year_number as {{ dbt.type_int() }}) as iso_year_number,
        cast(iso_week_of_year as {{ dbt.type_int() }}) as iso_week_of_year,
        cast(iso_day_of_week as {{ dbt.type_int() }}) as iso_day_of_week,
        cast(day_name as {{ dbt.type_string() }}) as day_name,
        cast(season as {{ dbt.type_string() }}) as season,
        cast(week_start_date as date) as week_start_date,
        cast(month_start_date as date) as month_start_date,
        cast(month_end_date as date) as month_end_date,
        cast(quarter_start_date as date) as quarter_start_date,

        -- booleans
        cast(is_weekend as {{ dbt.type_boolean() }}) as is_weekend,
        cast(is_month_end as {{ dbt.type_boolean() }}) as is_month_end
    from described

)

select * from final
