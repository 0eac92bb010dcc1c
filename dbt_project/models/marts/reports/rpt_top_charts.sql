with

charts as (

    select * from {{ ref('int_charts_ranked') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

artists as (

    select * from {{ ref('dim_artists') }}

),

charted as (

    select
        tracks.artist_key,
        charts.source_name,
        charts.chart_kind,
        charts.chart_period,
        charts.period_start_date,
        charts.chart_rank,
        charts.track_id,
        tracks.track_name as item_name,
        charts.listen_count
    from charts
    inner join tracks
        on
            charts.source_name = tracks.source_name
            and charts.track_id = tracks.track_id
            and tracks.is_current
    where charts.chart_kind = 'tracks'

    union all

    select
        charts.artist_key,
        charts.source_name,
        charts.chart_kind,
        charts.chart_period,
        charts.period_start_date,
        charts.chart_rank,
        null as track_id,
        artists.artist_name as item_name,
        charts.listen_count
    from charts
    inner join artists
        on charts.artist_key = artists.artist_key
    where charts.chart_kind = 'artists'

),

final as (

    select
        -- keys
        artist_key,

        -- ids
        source_name,
        chart_kind,
        chart_period,
        cast(period_start_date as date) as period_start_date,
        cast(chart_rank as {{ dbt.type_int() }}) as chart_rank,
        track_id,

        -- attributes
        item_name,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count
    from charted

)

select * from final
