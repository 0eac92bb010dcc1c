{{ config(materialized='ephemeral', meta={'changed_at': ['landed_at']}) }}

with

listens as (

    select * from {{ ref('stg_events__listens') }}

),

counted as (

    select *
    from listens
    where seconds_played >= 30

),

-- what tells the same play under another id is no other one, whenever it comes
plays as (

    select distinct
        -- ids
        counted.source_name,
        counted.user_id,
        counted.track_id,

        -- timestamps
        counted.played_at,
        counted.landed_at
    from counted
    left join counted as earlier
        on
            counted.user_id = earlier.user_id
            and counted.track_id = earlier.track_id
            and counted.played_at = earlier.played_at
            and counted.landed_at > earlier.landed_at
    where earlier.event_id is null

)

select * from plays
