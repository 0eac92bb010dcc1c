{#- What a run records with a step has no time of its own. -#}
{{ config(materialized='ephemeral') }}

with

runs as (

    select * from {{ ref('stg_ops__runs') }}

),

steps as (

    select * from {{ ref('stg_ops__steps') }}

),

kinds as (

    select 'load' as step_name

    union all

    select 'build' as step_name

),

dated as (

    select
        runs.run_id,
        kinds.step_name,
        runs.started_at as run_started_at,
        coalesce(steps.ended_at, steps.started_at, runs.started_at) as known_at
    from runs
    cross join kinds
    left join steps
        on
            runs.run_id = steps.run_id
            and kinds.step_name = steps.step_name
    where coalesce(steps.status, '') <> 'running'

)

select * from dated
