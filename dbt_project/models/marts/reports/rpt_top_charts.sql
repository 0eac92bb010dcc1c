{% set chart_size = 100 %}

with

daily_track_listens as (

    select * from {{ ref('rpt_daily_track_listens') }}

),

daily_artist_listens as (

    select * from {{ ref('rpt_daily_artist_listens') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

artists as (

    select * from {{ ref('dim_artists') }}

),

{% for chart_kind, item in [('track', 'track_id'), ('artist', 'artist_key')] %}
counted_{{ chart_kind }}s as (

    {% for chart_period in ['week', 'month', 'all time'] %}
    select
        source_name,
        '{{ chart_period }}' as chart_period,
        {% if chart_period == 'all time' -%}
        {{ first_valid_from() }} as period_start_date,
        {%- else -%}
        {{ dbt.date_trunc(chart_period, 'listened_date') }} as period_start_date,
        {%- endif %}
        {{ item }},
        sum(listen_count) as listen_count
    from daily_{{ chart_kind }}_listens
    {% if chart_kind == 'artist' -%}
    -- tracks without an artist do not make one
    where artist_key <> {{ unknown_key() }}
    {%- endif %}
    group by 1, 2, 3, 4
    {% if not loop.last %}

    union all

    {% endif %}
    {% endfor %}

),

ranked_{{ chart_kind }}s as (

    select
        *,
        row_number() over (
            partition by source_name, chart_period, period_start_date
            order by listen_count desc, {{ item }}
        ) as chart_rank
    from counted_{{ chart_kind }}s

),

{% endfor -%}

charted as (

    select
        tracks.artist_key,
        ranked_tracks.source_name,
        'tracks' as chart_kind,
        ranked_tracks.chart_period,
        ranked_tracks.period_start_date,
        ranked_tracks.chart_rank,
        ranked_tracks.track_id,
        tracks.track_name as item_name,
        ranked_tracks.listen_count
    from ranked_tracks
    inner join tracks
        on
            ranked_tracks.source_name = tracks.source_name
            and ranked_tracks.track_id = tracks.track_id
            and tracks.is_current
    where ranked_tracks.chart_rank <= {{ chart_size }}

    union all

    select
        ranked_artists.artist_key,
        ranked_artists.source_name,
        'artists' as chart_kind,
        ranked_artists.chart_period,
        ranked_artists.period_start_date,
        ranked_artists.chart_rank,
        null as track_id,
        artists.artist_name as item_name,
        ranked_artists.listen_count
    from ranked_artists
    inner join artists
        on ranked_artists.artist_key = artists.artist_key
    where ranked_artists.chart_rank <= {{ chart_size }}

),

final as (

    select
        -- keys
        cast(artist_key as {{ type_key() }}) as artist_key,

        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(chart_kind as {{ dbt.type_string() }}) as chart_kind,
        cast(chart_period as {{ dbt.type_string() }}) as chart_period,
        cast(period_start_date as date) as period_start_date,
        cast(chart_rank as {{ dbt.type_int() }}) as chart_rank,
        cast(track_id as {{ dbt.type_string() }}) as track_id,

        -- attributes
        cast(item_name as {{ dbt.type_string() }}) as item_name,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count
    from charted

)

select
    artist_key,
    source_name,
    chart_kind,
    chart_period,
    period_start_date,
    chart_rank,
    track_id,
    item_name,
    listen_count
from final
