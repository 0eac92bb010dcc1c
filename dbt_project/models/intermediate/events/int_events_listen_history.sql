{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}

with

plays as (

    select * from {{ ref('int_events_plays') }}

),

-- a record is what began at one moment: two devices can start at once
listen_history as (

    select
        -- ids
        source_name,
        user_id,

        -- attributes
        {{ list_as_json('track_id') }} as track_ids,
        'played_at' as updated_at_source,

        -- timestamps
        played_at as created_at,
        played_at as updated_at,
        landed_at as valid_from,
        cast(null as {{ dbt.type_timestamp() }}) as valid_to
    from plays
    group by
        source_name,
        user_id,
        played_at,
        landed_at

)

select * from listen_history
