{#- Looked up by track: the API names the genres of what it lists. -#}
{{ config(indexes=[{'columns': ['track_id']}]) }}

with

affinities as (

    select * from {{ ref('rpt_user_track_affinities') }}

),

daily_track_listens as (

    select * from {{ ref('rpt_daily_track_listens') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

track_genres as (

    select * from {{ ref('bridge_track_genres') }}

),

genres as (

    select * from {{ ref('dim_genres') }}

),

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

sources as (

    select * from {{ ref('rpt_source_coverage') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from crawls

),

recent_days as (

    select
        source_name,
        known_from_date,
        cast({{ dbt.dateadd('day', -7, 'max(last_listened_date) over ()') }} as date)
            as week_before,
        cast({{ dbt.dateadd('day', -30, 'max(last_listened_date) over ()') }} as date)
            as month_before
    from sources

),

named_genres as (

    select
        track_genres.track_key,
        {{ names_in_order('genres.genre_name', 'track_genres.position') }}
            as genre_names
    from track_genres
    inner join genres
        on track_genres.genre_key = genres.genre_key
    where genres.genre_name is not null
    group by track_genres.track_key

),

listeners as (

    select
        source_name,
        track_id,
        count(*) as listener_count,
        sum(case when listen_count > 1 then 1 else 0 end) as repeat_listener_count,
        min(first_listened_at) as first_listened_at,
        max(last_listened_at) as last_listened_at
    from affinities
    group by
        source_name,
        track_id

),

-- with the listens of no known user
listens as (

    select
        daily_track_listens.source_name,
        daily_track_listens.track_id,
        sum(daily_track_listens.listen_count) as listen_count,
        sum(case
            when
                daily_track_listens.listened_date > recent_days.week_before
                and daily_track_listens.listened_date >= recent_days.known_from_date
                then daily_track_listens.listen_count
            else 0
        end) as listen_count_last_7_days,
        sum(case
            when
                daily_track_listens.listened_date > recent_days.month_before
                and daily_track_listens.listened_date >= recent_days.known_from_date
                then daily_track_listens.listen_count
            else 0
        end) as listen_count_last_30_days
    from daily_track_listens
    inner join recent_days
        on daily_track_listens.source_name = recent_days.source_name
    group by
        daily_track_listens.source_name,
        daily_track_listens.track_id

),

described as (

    select
        tracks.track_key,
        tracks.artist_key,
        tracks.album_key,
        tracks.source_name,
        tracks.track_id,
        named_genres.genre_names,
        tracks.duration_seconds,
        coalesce(listens.listen_count, 0) as listen_count,
        coalesce(listens.listen_count_last_7_days, 0)
            as listen_count_last_7_days,
        coalesce(listens.listen_count_last_30_days, 0)
            as listen_count_last_30_days,
        coalesce(listeners.listener_count, 0) as listener_count,
        coalesce(listeners.repeat_listener_count, 0) as repeat_listener_count,
        rank() over (
            partition by tracks.source_name
            order by coalesce(listens.listen_count, 0) desc
        ) as popularity_rank,
        tracks.is_deleted,
        tracks.is_inferred,
        listeners.first_listened_at,
        listeners.last_listened_at,
        boundary.boundary_at as data_cutoff_at
    from tracks
    cross join boundary
    left join named_genres
        on tracks.track_key = named_genres.track_key
    left join listeners
        on
            tracks.source_name = listeners.source_name
            and tracks.track_id = listeners.track_id
    left join listens
        on
            tracks.source_name = listens.source_name
            and tracks.track_id = listens.track_id
    where
        tracks.is_current
        and tracks.track_id is not null

),

final as (

    select
        -- keys
        track_key,
        artist_key,
        album_key,

        -- ids
        source_name,
        track_id,

        -- attributes
        genre_names,

        -- measures
        duration_seconds,
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(listen_count_last_7_days as {{ dbt.type_int() }})
            as listen_count_last_7_days,
        cast(listen_count_last_30_days as {{ dbt.type_int() }})
            as listen_count_last_30_days,
        cast(listener_count as {{ dbt.type_int() }}) as listener_count,
        cast(repeat_listener_count as {{ dbt.type_int() }}) as repeat_listener_count,
        cast(popularity_rank as {{ dbt.type_int() }}) as popularity_rank,

        -- booleans
        is_deleted,
        is_inferred,

        -- timestamps
        first_listened_at,
        last_listened_at,
        data_cutoff_at
    from described

)

select * from final
