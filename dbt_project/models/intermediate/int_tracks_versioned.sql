{{ config(materialized='incremental', unique_key='track_key') }}

with

tracks as (

    {{ union_of_sources('tracks', [
        'source_name',
        'track_id',
        'track_name',
        'artist_name',
        'songwriter_names',
        'duration',
        'genres',
        'album_title',
        'created_at',
        'updated_at',
        'valid_from',
        'valid_to',
    ]) }}

),

{% if is_incremental() -%}
changed_tracks as (

    select
        source_name,
        track_id
    from tracks
    where {{ is_since_build(['valid_from', 'valid_to']) }}
    group by
        source_name,
        track_id

),
{%- endif %}

numbered as (

    select
        tracks.*,
        {{ normalized_text('tracks.artist_name') }} as normalized_artist,
        {{ normalized_text('tracks.album_title') }} as normalized_album,
        {{ tidy_text('tracks.duration') }} as tidy_duration,
        row_number() over (
            partition by tracks.source_name, tracks.track_id
            order by tracks.valid_from
        ) as version_number,
        lead(tracks.valid_from) over (
            partition by tracks.source_name, tracks.track_id
            order by tracks.valid_from
        ) as next_valid_from
    from tracks
    {% if is_incremental() -%}
    inner join changed_tracks
        on
            tracks.source_name = changed_tracks.source_name
            and tracks.track_id = changed_tracks.track_id
    {%- endif %}

),

contiguous as (

    select
        -- keys
        {{ surrogate_key([
            'numbered.source_name', 'numbered.track_id', 'numbered.version_number'
        ]) }} as track_key,
        case
            when numbered.normalized_artist is null then {{ unknown_key() }}
            else
                {{ surrogate_key([
                    'numbered.source_name', 'numbered.normalized_artist'
                ]) }}
        end as artist_key,
        case
            when numbered.normalized_album is null then {{ unknown_key() }}
            else
                {{ surrogate_key([
                    'numbered.source_name',
                    'numbered.normalized_artist',
                    'numbered.normalized_album',
                ]) }}
        end as album_key,

        -- ids
        numbered.source_name,
        numbered.track_id,
        numbered.version_number,

        -- attributes
        {{ tidy_text('numbered.track_name') }} as track_name,
        {{ tidy_text('numbered.artist_name') }} as artist_name,
        {{ tidy_text('numbered.songwriter_names') }} as songwriter_names,
        {{ tidy_text('numbered.album_title') }} as album_title,
        numbered.genres,

        -- measures
        {{ duration_to_seconds('numbered.tidy_duration') }} as duration_seconds,

        -- booleans
        numbered.next_valid_from is null as is_current,
        numbered.next_valid_from is null
        and numbered.valid_to is not null as is_deleted,

        -- timestamps
        numbered.created_at,
        numbered.updated_at,
        numbered.valid_from as first_observed_at,
        case
            when numbered.version_number = 1 then {{ first_valid_from() }}
            else numbered.valid_from
        end as valid_from,
        numbered.next_valid_from as valid_to,
        case
            when numbered.next_valid_from is null then numbered.valid_to
        end as deleted_at
    from numbered

)

select * from contiguous
