{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}

with

moovitamix_listen_history as (

    select * from {{ ref('stg_moovitamix__listen_history') }}

),

spotify_listen_history as (

    select * from {{ ref('int_spotify_listen_history') }}

),

listen_history as (

    select
        source_name,
        user_id,
        track_ids,
        'record_updated_at' as updated_at_source,
        created_at,
        updated_at,
        valid_from,
        valid_to
    from moovitamix_listen_history

    union all

    select
        source_name,
        user_id,
        track_ids,
        updated_at_source,
        created_at,
        updated_at,
        valid_from,
        valid_to
    from spotify_listen_history

),

judged as (

    select
        listen_history.*,
        -- null, so not true, where the record has no updated_at; a listen cannot be
        -- later than the crawl that saw it, nor older than every member
        listen_history.updated_at <= listen_history.valid_from
        and listen_history.updated_at >= {{ first_valid_from() }}
            as has_plausible_update
    from listen_history

),

versioned as (

    select
        -- keys
        {{ surrogate_key([
            'judged.source_name', 'judged.user_id', timestamp_text('judged.created_at')
        ]) }} as history_key,

        -- ids
        judged.source_name,
        judged.user_id,

        -- attributes
        judged.track_ids,
        case
            when judged.has_plausible_update then judged.updated_at_source
            else 'first_observed_at'
        end as listened_at_source,

        -- timestamps
        case
            when judged.has_plausible_update then judged.updated_at
            else judged.valid_from
        end as listened_at,
        judged.created_at as history_created_at,
        judged.valid_from,
        judged.valid_to,
        coalesce(judged.valid_to, judged.valid_from) as changed_at
    from judged

)

select * from versioned
