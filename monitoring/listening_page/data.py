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

from monitoring.listening_page import queries
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
    span = connection.execute(queries.SPAN).fetchone() or (None, None, 0, 0, 0)
    first_day, last_day, listen_count, timed_count, timed_to_the_hour = span
    if last_day is None:
        return ListeningData(
            None, None, 0, 0, False, None, None, [], [], [], None, [], [], [], [], [], [], [], []
        )
    sources = connection.execute(queries.KNOWN_FROM).fetchall()
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
    ranked: LiteralString = "with " + queries.KNOWN + queries.GENRES
    for period, name, count in connection.execute(ranked, parameters):
        genre_charts[period].append((name, count))
    genres = [name for name, _ in genre_charts[-1]]
    parameters["genres"] = genres

    def rows(statement: LiteralString) -> list[tuple[Any, ...]]:
        selected: LiteralString = "with " + queries.KNOWN + queries.SELECTED + statement
        return connection.execute(selected, parameters).fetchall()

    cohorts: LiteralString = "with " + queries.KNOWN + queries.COHORTS
    selections = len(genres) + 1
    # a week is known when all of its days are
    first_week = _monday(first_charted_day)
    first_week += timedelta(days=7 if first_week < earliest else 0)
    weeks = rows(queries.WEEKS)
    day_counts = {(selection, day): count for selection, day, count in rows(queries.DAYS)}
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
        totals=_totals(selections, rows(queries.TOTALS)),
        earlier=_totals(selections, rows(queries.EARLIER_TOTALS)),
        tracks=_charts(selections, rows(queries.TRACKS)),
        artists=_charts(selections, rows(queries.ARTISTS)),
        hours=_hours(selections, rows(queries.HOURS) if timed_to_the_hour else []),
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
