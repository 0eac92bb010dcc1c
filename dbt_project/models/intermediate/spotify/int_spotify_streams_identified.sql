{#- A table: what reads it would each sort and match all of landing. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='refill',
    on_schema_change='sync_all_columns',
    post_hook='{{ discount_builds_before("retold_at") }}',
) }}

with

streams as (

    select * from {{ ref('stg_spotify__streams') }}

),

account_streams as (

    select * from {{ ref('stg_spotify__account_streams') }}

),

-- the fuller of two that tell the same play has the higher level
told as (

    select
        row_hash,
        user_id,
        track_id as told_track_id,
        source_name,
        track_name,
        artist_name,
        album_title,
        played_ms,
        case when track_id is null then 2 else 3 end as detail_level,
        is_episode,
        ended_at,
        landed_at
    from streams

    union all

    select
        row_hash,
        user_id,
        null as told_track_id,
        source_name,
        track_name,
        artist_name,
        null as album_title,
        played_ms,
        1 as detail_level,
        false as is_episode,
        ended_at,
        landed_at
    from account_streams

),

named as (

    select
        told.*,
        {{ normalized_text('told.artist_name') }} as normalized_artist,
        {{ normalized_text('told.track_name') }} as normalized_track,
        {{ dbt.date_trunc('minute', 'told.ended_at') }} as ended_minute
    from told

),

same_moment as (

    select
        lesser.row_hash,
        fuller.row_hash as fuller_row_hash,
        fuller.landed_at as superseded_at,
        lesser.normalized_artist = fuller.normalized_artist
        and lesser.normalized_track = fuller.normalized_track as has_same_names,
        lesser.played_ms = fuller.played_ms as has_same_length
    from named as lesser
    inner join named as fuller
        on
            lesser.source_name = fuller.source_name
            and lesser.user_id = fuller.user_id
            and lesser.ended_minute = fuller.ended_minute
            and lesser.detail_level < fuller.detail_level
    where
        -- only the account data has no seconds
        lesser.detail_level = 1
        or lesser.ended_at = fuller.ended_at

),

same_names as (

    select * from same_moment
    where has_same_names

),

named_lesser as (

    select row_hash
    from same_names
    group by row_hash

),

named_fuller as (

    select fuller_row_hash
    from same_names
    group by fuller_row_hash

),

-- A track can have been renamed since, and the account data has podcasts among tracks:
-- then what is left over of a moment is told by what was played for as long.
same_length as (

    select same_moment.*
    from same_moment
    left join named_lesser
        on same_moment.row_hash = named_lesser.row_hash
    left join named_fuller
        on same_moment.fuller_row_hash = named_fuller.fuller_row_hash
    where
        same_moment.has_same_length
        and named_lesser.row_hash is null
        and named_fuller.fuller_row_hash is null

),

matches as (

    select
        row_hash,
        superseded_at
    from same_names

    union all

    select
        row_hash,
        superseded_at
    from same_length

),

superseded as (

    select
        row_hash,
        min(superseded_at) as superseded_at
    from matches
    group by row_hash

),

-- of several ids, a single and its album's, the first that an export had
ids_by_name as (

    select
        source_name,
        normalized_artist,
        normalized_track,
        told_track_id,
        landed_at,
        row_number() over (
            partition by source_name, normalized_artist, normalized_track
            order by landed_at asc, ended_at asc, told_track_id asc
        ) as id_number
    from named
    where
        told_track_id is not null
        and normalized_artist is not null
        and normalized_track is not null

),

identified as (

    select
        named.*,
        coalesce(
            named.told_track_id,
            ids_by_name.told_track_id,
            'spotify:names:' || cast(
                {{ surrogate_key([
                    'named.normalized_artist', 'named.normalized_track'
                ]) }}
                as {{ dbt.type_string() }}
            )
        ) as track_id,
        named.told_track_id is not null as has_own_id,
        superseded.superseded_at,
        case
            when superseded.superseded_at is not null then superseded.superseded_at
            when named.told_track_id is null then ids_by_name.landed_at
        end as last_told_at
    from named
    left join superseded
        on named.row_hash = superseded.row_hash
    left join ids_by_name
        on
            named.source_name = ids_by_name.source_name
            and named.normalized_artist = ids_by_name.normalized_artist
            and named.normalized_track = ids_by_name.normalized_track
            and ids_by_name.id_number = 1
    where
        (
            named.told_track_id is not null
            or (
                named.normalized_artist is not null
                and named.normalized_track is not null
                and not named.is_episode
            )
        )
        -- what Spotify counts as a stream
        and named.played_ms >= 30000

),

-- an export that is asked for again can tell more of an event: it is the same play
sighted as (

    select
        identified.*,
        row_number() over (
            partition by
                identified.source_name,
                identified.user_id,
                identified.track_id,
                identified.ended_at,
                case when identified.superseded_at is null then 0 else 1 end
            order by
                identified.landed_at asc,
                identified.played_ms desc,
                identified.row_hash asc
        ) as sighting_number
    from identified

),

judged as (

    select
        -- ids
        row_hash,
        source_name,
        user_id,
        track_id,

        -- attributes
        track_name,
        artist_name,
        album_title,

        -- booleans
        has_own_id,
        superseded_at is null
        and sighting_number = 1 as is_play,

        -- timestamps
        ended_at,
        landed_at,
        case when last_told_at > landed_at then last_told_at end as retold_at
    from sighted

)

select * from judged
