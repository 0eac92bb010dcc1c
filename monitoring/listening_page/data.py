"""What the listening dashboard shows, counted in the marts.

In: a connection that may read the marts. Out: a `ListeningData` of counts by day, week, genre,
track and artist, whose size does not grow with the number of listens. No user is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, LiteralString

import psycopg

from monitoring.page.marts import bounded, reading_marts

PERIODS = (7, 30, 90)
"""Lengths of the periods, in days up to the last one with listens; the last period is all."""

GENRES = 24
"""Genres that the page can be filtered by: those heard most."""

CHART_LENGTH = 10
"""Tracks, artists and genres in a ranking."""

MAX_DAILY = 1096
"""Days that the daily chart goes back, at most: one odd date must not stretch the page."""

COHORTS = 12
"""Weeks of first listens that are followed, and for how many weeks."""

_TABLES = (
    "fct_listens",
    "bridge_track_genres",
    "dim_artists",
    "dim_genres",
    "dim_tracks",
    "rpt_daily_artist_listens",
    "rpt_daily_genre_listens",
    "rpt_daily_track_listens",
    "rpt_source_coverage",
    "rpt_weekly_active_listeners",
)

# the weeks of a source that says when listens were played are whole from the first
_KNOWN_FROM: LiteralString = """
    select
        source_name,
        has_played_at,
        case
            when has_played_at then date_trunc('week', known_from_date)::date
            else known_from_date
        end
    from rpt_source_coverage
"""

_KNOWN: LiteralString = """
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
_SELECTED: LiteralString = """
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

_SPAN: LiteralString = """
    select
        min(listened_date),
        max(listened_date),
        count(*),
        count(*) filter (where listened_at_source <> 'first_observed_at'),
        count(*) filter (where listened_at_source = 'played_at' and listened_at <> listened_date)
    from fct_listens
"""

_GENRES: LiteralString = """
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

_DAYS: LiteralString = """
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

_WEEKS: LiteralString = """
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
_TOTALS: LiteralString = """
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

_EARLIER_TOTALS: LiteralString = """
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

_TRACKS: LiteralString = """
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

_ARTISTS: LiteralString = """
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

_HOURS: LiteralString = """
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

_COHORTS: LiteralString = """
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


Totals = tuple[int, int, int, int]
"""Listens, listeners, tracks, seconds."""


@dataclass(frozen=True)
class ListeningData:
    """The figures behind the page.

    Lists by selection have everything first, then each of `genres`; lists by period have the
    periods of `PERIODS`, then everything.

    Attributes:
        first_day: Day of the first listen; None when there is none.
        last_day: Day of the last listen, which periods end at.
        listen_count: Rows of the fact.
        timed_count: Those with a time of the source's own, played or updated, not a crawl's.
        has_hours: Whether a source says at which time of the day listens were played.
        known_from: From when on days are known of every source; None where every source says when
            each listen was played.
        first_charted_day: Where `days` begin; after `last_day` where no day is known yet.
        genres: Names of the genres to filter by, most heard first; an empty one stands for
            tracks without a genre.
        genre_charts: By period: genre and listens, most heard first.
        days: By selection: listens of each day from `first_charted_day` to `last_day`.
        first_week: The Monday that `active` and `new` begin at, of the first week that is known.
        active: By selection: listeners of each week.
        new: By selection: those of them who listened for the first time.
        totals: By selection and period: listens, listeners, tracks, and the seconds that the
            tracks of all listens are long.
        earlier: The same of the period as long before each; zeros for that of everything.
        tracks: By selection and period: name, artist, listens and place in the period before,
            most heard first.
        artists: By selection and period: name, listens and that place, most heard first.
        hours: By selection and period: listens of each hour of the week, Monday 0:00 UTC
            first; None where none fell into the period.
        cohorts: First week, and listeners of that week and of each whole week since.
    """

    first_day: date | None
    last_day: date | None
    listen_count: int
    timed_count: int
    has_hours: bool
    known_from: date | None
    first_charted_day: date | None
    genres: Sequence[str]
    genre_charts: Sequence[Sequence[tuple[str, int]]]
    days: Sequence[Sequence[int]]
    first_week: date | None
    active: Sequence[Sequence[int]]
    new: Sequence[Sequence[int]]
    totals: Sequence[Sequence[Totals]]
    earlier: Sequence[Sequence[Totals]]
    tracks: Sequence[Sequence[Sequence[tuple[str | None, str | None, int, int | None]]]]
    artists: Sequence[Sequence[Sequence[tuple[str, int, int | None]]]]
    hours: Sequence[Sequence[Sequence[int] | None]]
    cohorts: Sequence[tuple[date, Sequence[int]]]


def read_listening(connection: psycopg.Connection, schema: str) -> ListeningData:
    """Counts what the page shows, all of it as of one moment.

    Args:
        connection: Connection to the warehouse, in autocommit mode.
        schema: Schema of the marts.

    Raises:
        DatabaseError: The marts are not there or cannot be read; says what to do.
    """
    with reading_marts(connection, schema, _TABLES):
        return _count(connection)


def _count(connection: psycopg.Connection) -> ListeningData:
    span = connection.execute(_SPAN).fetchone() or (None, None, 0, 0, 0)
    first_day, last_day, listen_count, timed_count, timed_to_the_hour = span
    if last_day is None:
        return ListeningData(
            None, None, 0, 0, False, None, None, [], [], [], None, [], [], [], [], [], [], [], []
        )
    sources = connection.execute(_KNOWN_FROM).fetchall()
    earliest = min(known_from for _, _, known_from in sources)
    first_charted_day = max(first_day, last_day - timedelta(days=MAX_DAILY - 1), earliest)
    parameters: dict[str, Any] = {
        "last_day": last_day,
        "first_charted_day": first_charted_day,
        "periods": list(PERIODS),
        "genre_count": GENRES,
        "chart_length": CHART_LENGTH,
        "cohorts": COHORTS,
        "sources": [source_name for source_name, _, _ in sources],
        "known_from": [known_from for _, _, known_from in sources],
        # days: more than any period has
        "older": 10**6,
    }
    genre_charts: list[list[tuple[str, int]]] = [[] for _ in range(len(PERIODS) + 1)]
    ranked: LiteralString = "with " + _KNOWN + _GENRES
    for period, name, count in connection.execute(ranked, parameters):
        genre_charts[period].append((name, count))
    genres = [name for name, _ in genre_charts[-1]]
    parameters["genres"] = genres

    def rows(statement: LiteralString) -> list[tuple[Any, ...]]:
        selected: LiteralString = "with " + _KNOWN + _SELECTED + statement
        return connection.execute(selected, parameters).fetchall()

    cohorts: LiteralString = "with " + _KNOWN + _COHORTS
    selections = len(genres) + 1
    # a week is known when all of its days are
    first_week = _monday(first_charted_day)
    first_week += timedelta(days=7 if first_week < earliest else 0)
    weeks = rows(_WEEKS)
    day_counts = {(selection, day): count for selection, day, count in rows(_DAYS)}
    week_range = _range(first_week, _monday(last_day), 7)
    return ListeningData(
        first_day=first_day,
        last_day=last_day,
        listen_count=listen_count,
        timed_count=timed_count,
        has_hours=timed_to_the_hour > 0,
        known_from=max(
            (known_from for _, has_times, known_from in sources if not has_times), default=None
        ),
        first_charted_day=first_charted_day,
        genres=[bounded(name) for name in genres],
        genre_charts=[
            [(bounded(name), count) for name, count in chart[:CHART_LENGTH]]
            for chart in genre_charts
        ],
        days=_by_selection(selections, _range(first_charted_day, last_day), day_counts),
        first_week=first_week,
        active=_by_selection(selections, week_range, {row[:2]: row[2] for row in weeks}),
        new=_by_selection(selections, week_range, {row[:2]: row[3] for row in weeks}),
        totals=_totals(selections, rows(_TOTALS)),
        earlier=_totals(selections, rows(_EARLIER_TOTALS)),
        tracks=_charts(selections, rows(_TRACKS)),
        artists=_charts(selections, rows(_ARTISTS)),
        hours=_hours(selections, rows(_HOURS) if timed_to_the_hour else []),
        cohorts=_cohorts(last_day, connection.execute(cohorts, parameters).fetchall()),
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _range(first: date, last: date, step: int = 1) -> list[date]:
    return [first + timedelta(days=days) for days in range(0, (last - first).days + 1, step)]


def _by_selection(
    selections: int, days: Sequence[date], counts: Mapping[tuple[Any, ...], int]
) -> list[list[int]]:
    return [[counts.get((number, day), 0) for day in days] for number in range(selections)]


def _totals(selections: int, rows: Sequence[tuple[Any, ...]]) -> list[list[Totals]]:
    totals: list[list[Totals]] = [[(0, 0, 0, 0)] * (len(PERIODS) + 1) for _ in range(selections)]
    for selection, period, listens, listeners, tracks, seconds in rows:
        totals[selection][period] = (listens, listeners, tracks, seconds)
    return totals


def _charts(selections: int, rows: Sequence[tuple[Any, ...]]) -> list[list[list[Any]]]:
    charts: list[list[list[Any]]] = [
        [[] for _ in range(len(PERIODS) + 1)] for _ in range(selections)
    ]
    for selection, period, *entry in rows:
        charts[selection][period].append(
            tuple(bounded(part) if isinstance(part, str) else part for part in entry)
        )
    return charts


def _hours(selections: int, rows: Sequence[tuple[Any, ...]]) -> list[list[list[int] | None]]:
    hours: list[list[list[int] | None]] = [[None] * (len(PERIODS) + 1) for _ in range(selections)]
    for selection, period, cell, count in rows:
        cells = hours[selection][period] or [0] * (7 * 24)
        cells[cell] = count
        hours[selection][period] = cells
    return hours


def _cohorts(last_day: date, rows: Sequence[tuple[Any, ...]]) -> list[tuple[date, list[int]]]:
    cohorts: dict[date, list[int]] = {}
    for first_week, week, count in rows:
        whole_weeks = ((last_day + timedelta(days=1)) - first_week).days // 7
        counts = cohorts.setdefault(first_week, [0] * min(whole_weeks, COHORTS + 1))
        counts[week] = count
    return list(cohorts.items())
