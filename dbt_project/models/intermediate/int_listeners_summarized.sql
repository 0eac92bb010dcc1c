{{ config(
    materialized='incremental',
    unique_key=['source_name', 'user_id'],
) }}

-- depends_on: {{ ref('fct_listens') }}

with

affinities as (

    select * from {{ ref('rpt_user_track_affinities') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}
    where is_current

),

{% if is_incremental() -%}
-- each read on its own: PostgreSQL would write out what is read twice
changed_listens as (

    select * from {{ ref('fct_listens') }}
    where {{ is_since_build(['record_changed_at']) }}

),

changed_tracks as (

    select * from {{ ref('dim_tracks') }}
    where {{ is_since_build(['first_observed_at']) }}

),

earlier_tracks as (

    select * from {{ ref('dim_tracks') }}

),

track_affinities as (

    select * from {{ ref('rpt_user_track_affinities') }}

),

-- a version since then has another artist than the one before, or is the first
reattributed_tracks as (

    select
        changed_tracks.source_name,
        changed_tracks.track_id
    from changed_tracks
    left join earlier_tracks
        on
            changed_tracks.source_name = earlier_tracks.source_name
            and changed_tracks.track_id = earlier_tracks.track_id
            and changed_tracks.version_number = earlier_tracks.version_number + 1
            and changed_tracks.artist_key = earlier_tracks.artist_key
    where earlier_tracks.track_key is null

),

affected_users as (

    select
        source_name,
        user_id
    from changed_listens

    union

    select
        track_affinities.source_name,
        track_affinities.user_id
    from track_affinities
    inner join reattributed_tracks
        on
            track_affinities.source_name = reattributed_tracks.source_name
            and track_affinities.track_id = reattributed_tracks.track_id

),
{%- endif %}

by_artist as (

    select
        affinities.source_name,
        affinities.user_id,
        tracks.artist_key,
        sum(affinities.listen_count) as listen_count,
        sum(affinities.current_listen_count) as current_listen_count,
        count(*) as track_count,
        sum(case when affinities.listen_count > 1 then 1 else 0 end)
            as repeated_track_count,
        min(affinities.first_listened_at) as first_listened_at,
        max(affinities.last_listened_at) as last_listened_at
    from affinities
    {% if is_incremental() -%}
    inner join affected_users
        on
            affinities.source_name = affected_users.source_name
            and affinities.user_id = affected_users.user_id
    {%- endif %}
    inner join tracks
        on
            affinities.source_name = tracks.source_name
            and affinities.track_id = tracks.track_id
    group by
        affinities.source_name,
        affinities.user_id,
        tracks.artist_key

),

-- the unknown artist is none
ranked_artists as (

    select
        by_artist.*,
        case when by_artist.artist_key = {{ unknown_key() }} then 0 else 1 end
            as artist_count,
        row_number() over (
            partition by by_artist.source_name, by_artist.user_id
            order by
                case
                    when by_artist.artist_key = {{ unknown_key() }} then 1
                    else 0
                end,
                by_artist.listen_count desc,
                by_artist.artist_key
        ) as artist_rank
    from by_artist

),

top_artists as (

    select
        source_name,
        user_id,
        artist_key
    from ranked_artists
    where
        artist_rank = 1
        and artist_count = 1

),

summed as (

    select
        source_name,
        user_id,
        sum(listen_count) as listen_count,
        sum(current_listen_count) as current_listen_count,
        sum(track_count) as track_count,
        sum(repeated_track_count) as repeated_track_count,
        sum(artist_count) as artist_count,
        min(first_listened_at) as first_listened_at,
        max(last_listened_at) as last_listened_at
    from ranked_artists
    group by
        source_name,
        user_id

),

summarized as (

    select
        -- keys
        top_artists.artist_key as top_artist_key,

        -- ids
        summed.source_name,
        summed.user_id,

        -- measures
        summed.listen_count,
        summed.current_listen_count,
        summed.track_count,
        summed.repeated_track_count,
        summed.artist_count,

        -- timestamps
        summed.first_listened_at,
        summed.last_listened_at
    from summed
    left join top_artists
        on
            summed.source_name = top_artists.source_name
            and summed.user_id = top_artists.user_id

)

select * from summarized
