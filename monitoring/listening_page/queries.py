"""The queries behind the listening page; `data.py` says what comes of each.

In: the parameters of `data.py`. Out: SQL that reads the marts of the search path.
"""

from __future__ import annotations

from typing import LiteralString

# the weeks of a source that says when listens were played are whole from the first
KNOWN_FROM: LiteralString = """
    select
        source_name,
        has_played_at,
        case
            when has_played_at then date_trunc('week', known_from_date)::date
            else known_from_date
        end
    from rpt_source_coverage
"""

KNOWN: LiteralString = """
    known as (
        select *
        from unnest(%(sources)s::text[], %(known_from)s::date[]) as known (source_name, known_from)
    ),

    -- the shortest period that a day is in: before its source is known, none but the last
    ages as (
        select
            source_name,
            days.listened_date,
            width_bucket(
                %(last_day)s::date - days.listened_date
                + %(older)s * (days.listened_date < known.known_from)::int,
                %(periods)s::int[]
            ) as age
        from (select distinct source_name, listened_date from rpt_daily_track_listens) as days
        inner join known using (source_name)
    ),
"""

# A listen is in the selection of everything, number 0, and in that of each chosen genre of its
# track; what reports have of everything is counted here for the genres only.
SELECTED: LiteralString = """
    chosen_genres as (
        select
            genre_key,
            source_name,
            array_position(%(genres)s::text[], coalesce(genre_name, '')) as selection
        from dim_genres
        where coalesce(genre_name, '') = any(%(genres)s::text[])
    ),

    selections as (
        select track_key, 0 as selection from dim_tracks
        union all
        select bridge_track_genres.track_key, chosen_genres.selection
        from bridge_track_genres
        inner join chosen_genres on bridge_track_genres.genre_key = chosen_genres.genre_key
        group by 1, 2
    ),

    listens as (
        select
            selections.selection,
            ages.age,
            date_trunc('week', fct_listens.listened_date)::date as week,
            fct_listens.*
        from fct_listens
        inner join selections on fct_listens.track_key = selections.track_key
        inner join ages
            on
                fct_listens.source_name = ages.source_name
                and fct_listens.listened_date = ages.listened_date
    ),

    periods as (
        select period from generate_series(0, cardinality(%(periods)s::int[])) as period
    ),

    -- by period, those of the period as long that ends where it begins
    earlier as (
        select lengths.period - 1 as period, listens.*
        from listens
        inner join unnest(%(periods)s::int[]) with ordinality as lengths (days, period)
            on %(last_day)s::date - listens.listened_date between days and 2 * days - 1
        inner join known on listens.source_name = known.source_name
        where listens.listened_date >= known.known_from
    )
"""

SPAN: LiteralString = """
    select
        min(listened_date),
        max(listened_date),
        count(*),
        count(*) filter (where listened_at_source <> 'first_observed_at'),
        count(*) filter (where listened_at_source = 'played_at' and listened_at <> listened_date)
    from fct_listens
"""

GENRES: LiteralString = """
    ranked as (
        select
            period,
            coalesce(dim_genres.genre_name, '') as genre_name,
            sum(days.listen_count)::bigint as listen_count,
            row_number() over (
                partition by period
                order by sum(days.listen_count) desc, coalesce(dim_genres.genre_name, '')
            ) as place
        from rpt_daily_genre_listens as days
        inner join dim_genres on days.genre_key = dim_genres.genre_key
        inner join ages
            on
                days.source_name = ages.source_name
                and days.listened_date = ages.listened_date
        inner join generate_series(0, cardinality(%(periods)s::int[])) as period
            on ages.age <= period
        group by 1, 2
    )

    select period, genre_name, listen_count
    from ranked
    where place <= %(genre_count)s
    order by period, place
"""

DAYS: LiteralString = """
    , days as (
        select 0 as selection, source_name, listened_date, listen_count from rpt_daily_track_listens
        union all
        select
            chosen_genres.selection,
            genre_days.source_name,
            genre_days.listened_date,
            genre_days.listen_count
        from rpt_daily_genre_listens as genre_days
        inner join chosen_genres on genre_days.genre_key = chosen_genres.genre_key
    )

    select selection, listened_date, sum(listen_count)
    from days
    inner join known on days.source_name = known.source_name
    where listened_date >= greatest(known.known_from, %(first_charted_day)s)
    group by 1, 2
"""

WEEKS: LiteralString = """
    , active as (
        select selection, week, source_name, user_id
        from listens
        where user_id is not null and selection > 0
        group by 1, 2, 3, 4
    ),

    numbered as (
        select
            selection,
            source_name,
            week,
            week = min(week) over (partition by selection, source_name, user_id) as is_new
        from active
    ),

    weeks as (
        select
            0 as selection, source_name, week_start_date as week, listener_count, new_listener_count
        from rpt_weekly_active_listeners
        union all
        select selection, source_name, week, 1, is_new::int from numbered
    )

    select selection, week, sum(listener_count), sum(new_listener_count)
    from weeks
    inner join known on weeks.source_name = known.source_name
    where week >= greatest(known.known_from, %(first_charted_day)s::date - 6)
    group by 1, 2
"""

# the youngest listen of a listener says in which periods the listener is counted
TOTALS: LiteralString = """
    , listeners as (
        select selection, min(age) as age
        from listens
        where user_id is not null
        group by selection, source_name, user_id
    ),

    tracks as (
        select selection, min(age) as age
        from listens
        where track_id is not null
        group by selection, source_name, track_id
    ),

    counted as (
        select
            listens.selection,
            listens.age,
            count(*) as listens,
            0 as listeners,
            0 as tracks,
            coalesce(sum(dim_tracks.duration_seconds), 0) as seconds
        from listens
        inner join dim_tracks on listens.track_key = dim_tracks.track_key
        group by 1, 2
        union all
        select selection, age, 0, count(*), 0, 0 from listeners group by 1, 2
        union all
        select selection, age, 0, 0, count(*), 0 from tracks group by 1, 2
    )

    select
        selection,
        period,
        sum(listens)::bigint,
        sum(listeners)::bigint,
        sum(tracks)::bigint,
        sum(seconds)::bigint
    from counted
    inner join periods on counted.age <= periods.period
    group by 1, 2
"""

EARLIER_TOTALS: LiteralString = """
    select
        earlier.selection,
        earlier.period,
        count(*),
        count(distinct (earlier.source_name, earlier.user_id))
            filter (where earlier.user_id is not null),
        count(distinct (earlier.source_name, earlier.track_id))
            filter (where earlier.track_id is not null),
        coalesce(sum(dim_tracks.duration_seconds), 0)::bigint
    from earlier
    inner join dim_tracks on earlier.track_key = dim_tracks.track_key
    group by 1, 2
"""

TRACKS: LiteralString = """
    , ranked_before as (
        select
            selection,
            period,
            source_name,
            track_id,
            row_number() over (
                partition by selection, period order by count(*) desc, source_name, track_id
            ) as place
        from earlier
        group by selection, period, source_name, track_id
    ),

    counted as (
        select
            0 as selection,
            age,
            source_name,
            track_id,
            sum(listen_count) as listen_count
        from rpt_daily_track_listens
        inner join ages using (source_name, listened_date)
        group by 1, 2, 3, 4
        union all
        select selection, age, source_name, track_id, count(*)
        from listens
        where selection > 0
        group by 1, 2, 3, 4
    ),

    ranked as (
        select
            selection,
            period,
            source_name,
            track_id,
            sum(listen_count)::bigint as listen_count,
            row_number() over (
                partition by selection, period
                order by sum(listen_count) desc, source_name, track_id
            ) as place
        from counted
        inner join periods on counted.age <= periods.period
        group by selection, period, source_name, track_id
    )

    select
        ranked.selection,
        ranked.period,
        dim_tracks.track_name,
        dim_tracks.artist_name,
        ranked.listen_count,
        ranked_before.place
    from ranked
    left join ranked_before
        on
            ranked.selection = ranked_before.selection
            and ranked.period = ranked_before.period
            and ranked.source_name = ranked_before.source_name
            and ranked.track_id = ranked_before.track_id
    left join dim_tracks
        on
            ranked.source_name = dim_tracks.source_name
            and ranked.track_id = dim_tracks.track_id
            and dim_tracks.is_current
    where ranked.place <= %(chart_length)s
    order by ranked.selection, ranked.period, ranked.place
"""

ARTISTS: LiteralString = """
    , ranked_before as (
        select
            earlier.selection,
            earlier.period,
            dim_tracks.artist_key,
            row_number() over (
                partition by earlier.selection, earlier.period
                order by count(*) desc, dim_tracks.artist_key
            ) as place
        from earlier
        inner join dim_tracks on earlier.track_key = dim_tracks.track_key
        inner join dim_artists on dim_tracks.artist_key = dim_artists.artist_key
        where dim_artists.artist_name is not null
        group by earlier.selection, earlier.period, dim_tracks.artist_key
    ),

    counted as (
        select
            0 as selection,
            age,
            artist_key,
            sum(listen_count) as listen_count
        from rpt_daily_artist_listens
        inner join ages using (source_name, listened_date)
        group by 1, 2, 3
        union all
        select listens.selection, listens.age, dim_tracks.artist_key, count(*)
        from listens
        inner join dim_tracks on listens.track_key = dim_tracks.track_key
        where listens.selection > 0
        group by 1, 2, 3
    ),

    ranked as (
        select
            counted.selection,
            periods.period,
            counted.artist_key,
            dim_artists.artist_name,
            sum(counted.listen_count)::bigint as listen_count,
            row_number() over (
                partition by counted.selection, periods.period
                order by sum(counted.listen_count) desc, counted.artist_key
            ) as place
        from counted
        inner join periods on counted.age <= periods.period
        inner join dim_artists on counted.artist_key = dim_artists.artist_key
        where dim_artists.artist_name is not null
        group by counted.selection, periods.period, counted.artist_key, dim_artists.artist_name
    )

    select
        ranked.selection,
        ranked.period,
        ranked.artist_name,
        ranked.listen_count,
        ranked_before.place
    from ranked
    left join ranked_before
        on
            ranked.selection = ranked_before.selection
            and ranked.period = ranked_before.period
            and ranked.artist_key = ranked_before.artist_key
    where ranked.place <= %(chart_length)s
    order by ranked.selection, ranked.period, ranked.place
"""

HOURS: LiteralString = """
    , counted as (
        select
            selection,
            age,
            (extract(isodow from listened_at) - 1) * 24 + extract(hour from listened_at) as cell,
            count(*) as listen_count
        from listens
        where listened_at_source = 'played_at'
        group by 1, 2, 3
    )

    select selection, period, cell::int, sum(listen_count)::bigint
    from counted
    inner join periods on counted.age <= periods.period
    group by 1, 2, 3
"""

COHORTS: LiteralString = """
    active as (
        select
            source_name, user_id, date_trunc('week', listened_date)::date as week
        from fct_listens
        where user_id is not null
        group by 1, 2, 3
    ),

    observed as (
        select
            source_name, week, min(week) over (partition by source_name, user_id) as first_week
        from active
    ),

    followed as (
        select observed.week, observed.first_week
        from observed
        inner join known on observed.source_name = known.source_name
        where observed.first_week >= known.known_from
    ),

    recent as (
        select first_week
        from followed
        where first_week + 13 <= %(last_day)s
        group by 1
        order by 1 desc
        limit %(cohorts)s
    )

    select first_week, (week - first_week) / 7, count(*)
    from followed
    inner join recent using (first_week)
    where week + 6 <= %(last_day)s and (week - first_week) / 7 <= %(cohorts)s
    group by 1, 2
    order by 1, 2
"""
