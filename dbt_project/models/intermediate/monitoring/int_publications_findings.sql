{{ config(materialized='ephemeral') }}

with

publications as (

    select * from {{ ref('stg_ops__publications') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

ranked as (

    select
        publications.*,
        row_number() over (order by publications.decided_at desc) as recency
    from publications

),

-- what people read is as new as what was built where only a part was built again
judged as (

    select
        'not_published' as rule_name,
        'marts' as subject,
        ranked.reason as message,
        cast(null as {{ type_key() }}) as run_id,
        ranked.decided_at as found_at
    from ranked
    inner join thresholds
        on thresholds.rule_name = 'not_published'
    where
        ranked.recency = 1
        and not ranked.is_published
        and (
            ranked.boundary_at is null
            or ranked.boundary_at < ranked.candidate_boundary_at
        )

)

select * from judged
