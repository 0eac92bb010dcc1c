with

quality as (

    select * from {{ ref('fct_data_quality') }}

),

ranked as (

    select
        quality.*,
        dense_rank() over (order by quality.boundary_at desc) as recency
    from quality

),

compared as (

    select
        table_name,
        measure,
        detail,
        max(case when recency = 1 then value end) as value,
        max(case when recency = 2 then value end) as previous_value
    from ranked
    where recency <= 2
    group by
        table_name,
        measure,
        detail

)

select * from compared
