{{ config(meta={'changed_at': ['valid_from', 'valid_to']}) }}

with

listen_history as (

    {{ union_of_sources('listen_history', [
        'source_name',
        'user_id',
        'track_ids',
        'updated_at_source',
        'created_at',
        'updated_at',
        'valid_from',
        'valid_to',
    ]) }}

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
