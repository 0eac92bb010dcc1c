{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}

with

listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

unnested as (

    select
        -- keys
        listen_history.history_key,

        -- ids
        listen_history.source_name,
        listen_history.user_id,
        listen.element as track_id,

        -- attributes
        listen_history.listened_at_source,

        -- measures
        cast(listen.occurrence as {{ dbt.type_int() }}) as occurrence,
        cast(listen.position as {{ dbt.type_int() }}) as position,

        -- timestamps
        listen_history.listened_at,
        listen_history.history_created_at,
        listen_history.valid_from,
        listen_history.valid_to
    from listen_history
    {{ cross_join_json_array('listen_history.track_ids', 'listen') }}

)

select * from unnested
