{{ config(materialized='ephemeral', meta={'changed_at': ['landed_at']}) }}

with

listens as (

    select * from {{ ref('stg_events__listens') }}

),

-- events of the same moment that an application tells under two ids are one play
plays as (

    select distinct
        -- ids
        source_name,
        user_id,
        track_id,

        -- timestamps
        played_at,
        landed_at
    from listens
    where seconds_played >= 30

)

select * from plays
