"""What the wrapped page shows, counted in the marts.

In: a connection that may read the marts, and a period. Out: a `Wrapped` of totals, charts and
records. Nobody is named in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from monitoring.page.marts import bounded, reading_marts
from monitoring.wrapped_page.period import Period, month_of

CHART_LENGTH = 5
"""Tracks, artists and genres in a ranking."""

TABLES = (
    "fct_listens",
    "bridge_track_genres",
    "dim_artists",
    "dim_genres",
    "dim_tracks",
    "rpt_daily_track_listens",
    "rpt_source_coverage",
)

_KNOWN_SPAN: LiteralString = """
    select min(known_from_date), max(last_listened_date)
    from rpt_source_coverage
    where known_from_date <= last_listened_date
"""

# listens of days that are known; what the first crawl of a source found is of no day
_LISTENS: LiteralString = """
    with

    listens as (
        select fct_listens.*
        from fct_listens
        inner join rpt_source_coverage using (source_name)
        where
            listened_date >= greatest(%(first_day)s, known_from_date)
            and listened_date < %(end)s
    )
"""

_TOTALS: LiteralString = """
    select
        count(*),
        count(distinct (listens.source_name, listens.user_id))
            filter (where listens.user_id is not null),
        count(distinct (listens.source_name, listens.track_id)),
        coalesce(sum(dim_tracks.duration_seconds), 0)::bigint
    from listens
    inner join dim_tracks on listens.track_key = dim_tracks.track_key
"""

# what `ranked` has, by the current names, and how many there are
_NAMED: LiteralString = """
    select
        coalesce(dim_tracks.track_name, 'Unnamed track'),
        dim_tracks.artist_name,
        ranked.listen_count,
        count(*) over ()
    from ranked
    left join dim_tracks
        on
            ranked.source_name = dim_tracks.source_name
            and ranked.track_id = dim_tracks.track_id
            and dim_tracks.is_current
    order by 3 desc, ranked.source_name, ranked.track_id
    limit %(length)s
"""

_TRACKS: LiteralString = """
    , ranked as (
        select source_name, track_id, count(*) as listen_count
        from listens
        group by 1, 2
        order by 3 desc, 1, 2
        limit %(length)s
    )
"""

_ARTISTS: LiteralString = """
    select dim_artists.artist_name, null, count(*)
    from listens
    inner join dim_tracks on listens.track_key = dim_tracks.track_key
    inner join dim_artists on dim_tracks.artist_key = dim_artists.artist_key
    where dim_artists.artist_name is not null
    group by dim_artists.artist_key, dim_artists.artist_name
    order by 3 desc, dim_artists.artist_key
    limit %(length)s
"""

_GENRES: LiteralString = """
    select dim_genres.genre_name, null, count(*)
    from listens
    inner join bridge_track_genres on listens.track_key = bridge_track_genres.track_key
    inner join dim_genres on bridge_track_genres.genre_key = dim_genres.genre_key
    where dim_genres.genre_name is not null
    group by dim_genres.genre_name
    order by 3 desc, 1
    limit %(length)s
"""

# heard for the first time by anybody, the days before the first crawl included
_DISCOVERIES: LiteralString = """
    , firsts as (
        select source_name, track_id, min(listened_date) as first_date
        from rpt_daily_track_listens
        group by 1, 2
    ),

    ranked as (
        select listens.source_name, listens.track_id, count(*) as listen_count
        from listens
        inner join firsts
            on
                listens.source_name = firsts.source_name
                and listens.track_id = firsts.track_id
        inner join rpt_source_coverage on firsts.source_name = rpt_source_coverage.source_name
        where firsts.first_date >= greatest(%(first_day)s, rpt_source_coverage.known_from_date)
        group by 1, 2
    )
"""

# days of a listener without a gap: their dates less their numbers are all one date
_STREAK: LiteralString = """
    , days as (
        select
            source_name,
            user_id,
            listened_date,
            listened_date - row_number() over (
                partition by source_name, user_id order by listened_date
            )::int as island
        from (
            select distinct source_name, user_id, listened_date
            from listens
            where user_id is not null
        ) as listened
    ),

    streaks as (
        select count(*) as length
        from days
        group by source_name, user_id, island
    )

    select coalesce(max(length), 0) from streaks
"""

_BIGGEST_DAY: LiteralString = """
    select listened_date, count(*)
    from listens
    group by 1
    order by 2 desc, 1
    limit 1
"""


@dataclass(frozen=True)
class Ranked:
    """A track, artist or genre, by whom where it is a track, and its listens."""

    name: str
    artist: str | None
    listen_count: int


@dataclass(frozen=True)
class Wrapped:
    """The figures behind the page.

    Attributes:
        period: Which month or year.
        known_from: The first day of it that is known, where that is not its first.
        last_day: The last day of it with listens, where it is not over.
        listens: Listens of the period.
        listeners: Who listened.
        tracks: Different tracks that were listened to.
        seconds: How long the tracks of all listens are.
        top_tracks: Most heard first; so the others.
        top_artists: As above.
        top_genres: As above.
        discoveries: Tracks that nobody had listened to before.
        top_discovery: The most heard of them.
        streak: Most days in a row on which one listener listened.
        biggest_day: The day with most listens, and how many.
    """

    period: Period
    known_from: date | None
    last_day: date | None
    listens: int
    listeners: int
    tracks: int
    seconds: int
    top_tracks: Sequence[Ranked]
    top_artists: Sequence[Ranked]
    top_genres: Sequence[Ranked]
    discoveries: int
    top_discovery: Ranked | None
    streak: int
    biggest_day: tuple[date, int] | None


def read_wrapped(
    connection: psycopg.Connection, schema: str, period: Period | None = None
) -> Wrapped:
    """Counts what the page shows, all of it as of one moment.

    Args:
        connection: Connection to the warehouse, in autocommit mode.
        schema: Schema of the marts.
        period: The last month of which a day is known and that is over when None, or the only one.

    Raises:
        DatabaseError: The marts are not there or cannot be read; says what to do.
    """
    with reading_marts(connection, schema, TABLES):
        known_from, last_day = connection.execute(_KNOWN_SPAN).fetchone() or (None, None)
        return _count(connection, period or _latest(known_from, last_day), known_from, last_day)


def _latest(known_from: date | None, last_day: date | None) -> Period:
    """The last month that is over; this one where there is no other, or no day is known yet."""
    if known_from is None or last_day is None:
        return month_of(datetime.now(UTC).date())
    current = month_of(last_day)
    before = month_of(current.first_day - timedelta(days=1))
    is_over = last_day == current.end - timedelta(days=1)
    return current if is_over or before.end <= known_from else before


def _count(
    connection: psycopg.Connection, period: Period, known_from: date | None, last_day: date | None
) -> Wrapped:
    parameters = {"first_day": period.first_day, "end": period.end, "length": CHART_LENGTH}

    def rows(statement: LiteralString) -> list[tuple[Any, ...]]:
        query: LiteralString = _LISTENS + statement
        return connection.execute(query, parameters).fetchall()

    ((listens, listeners, tracks, seconds),) = rows(_TOTALS)
    discovered = rows(_DISCOVERIES + _NAMED)
    ((streak,),) = rows(_STREAK)
    return Wrapped(
        period=period,
        known_from=known_from if known_from and period.first_day < known_from else None,
        last_day=last_day if last_day and last_day < period.end - timedelta(days=1) else None,
        listens=listens,
        listeners=listeners,
        tracks=tracks,
        seconds=seconds,
        top_tracks=_ranked(rows(_TRACKS + _NAMED)),
        top_artists=_ranked(rows(_ARTISTS)),
        top_genres=_ranked(rows(_GENRES)),
        discoveries=discovered[0][3] if discovered else 0,
        top_discovery=next(iter(_ranked(discovered)), None),
        streak=streak,
        biggest_day=next(((day, count) for day, count in rows(_BIGGEST_DAY)), None),
    )


def _ranked(rows: Sequence[tuple[Any, ...]]) -> list[Ranked]:
    return [
        Ranked(bounded(name), artist and bounded(artist), count) for name, artist, count, *_ in rows
    ]
