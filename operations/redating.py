"""Sets back what a clock that ran ahead left in the future, without losing any of it.

In: a warehouse with boundaries that are ahead of the database server's clock. Out: the same rows,
in the same order, in the past.

Boundaries never go back by themselves: after one in the future each later crawl would follow it by
a microsecond, and be dated there until that day has come. A crawl is set to the time of its commit
where the server's clock was right then, else back by as much as the clock was ahead at most; none
changes its place in the order. Everything that says the boundary follows it. Models that were built
as of it are then built in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from ingestion.landing.crawl_ledger import WITHDRAWN_CRAWLS, server_time
from ingestion.sources.catalogue import LANDING_SCHEMAS, SOURCES
from recommender.generations import supersede
from recommender.tables import LISTS, create_tables
from warehouse.database import table_exists
from warehouse.foreign_code import hold_tables_still

_Columns = Mapping[tuple[str, str], tuple[str, ...]]

_CRAWLED = [source for source in SOURCES.values() if source.is_crawled]
_IMPORTED = [source for source in SOURCES.values() if not source.is_crawled]
_CRAWLS = [(source.schema, "crawls") for source in _CRAWLED]
_WITHDRAWN = [(source.schema, WITHDRAWN_CRAWLS) for source in _CRAWLED]
_SUPERSEDED = tuple(f"superseded_{table}" for table in LISTS)
_REJECTED = ("first_seen_at", "last_seen_at", "resolved_at")

_BOUNDARIES: _Columns = {
    **{
        (source.schema, endpoint.name): ("_dlt_valid_from", "_dlt_valid_to")
        for source in _CRAWLED
        for endpoint in source.endpoints
    },
    **dict.fromkeys(_CRAWLS, ("boundary_at",)),
    **dict.fromkeys(_WITHDRAWN, ("boundary_at", "boundaries_used_until")),
    **{
        (source.schema, endpoint.name): ("landed_at",)
        for source in _IMPORTED
        for endpoint in source.endpoints
    },
    **{(schema, "rejected_records"): _REJECTED for schema in LANDING_SCHEMAS},
    **{
        ("recommendations", table): ("data_cutoff",)
        for table in (*LISTS, *_SUPERSEDED, "similar_tracks", "trainings", "promotions")
    },
}
"""Columns with boundaries, by schema and table."""

_CLOCK_TIMES: _Columns = {
    **dict.fromkeys(_CRAWLS, ("started_at", "committed_at")),
    **dict.fromkeys(_WITHDRAWN, ("started_at", "committed_at", "withdrawn_at")),
    ("recommendations", "batches"): ("generated_at",),
    ("recommendations", "recommendations"): ("generated_at",),
    **{("recommendations", table): ("generated_at",) for table in _SUPERSEDED},
    ("recommendations", "trainings"): ("started_at", "ended_at"),
    ("recommendations", "promotions"): ("decided_at",),
    # by which dlt tells what it wrote last
    **{
        (schema, f"_dlt_{table}"): (column,)
        for schema in LANDING_SCHEMAS
        for table, column in (
            ("loads", "inserted_at"),
            ("version", "inserted_at"),
            ("pipeline_state", "created_at"),
        )
    },
    ("ops", "runs"): ("started_at", "ended_at"),
    ("ops", "steps"): ("started_at", "ended_at"),
    ("ops", "alerts"): ("found_at", "opened_at", "closed_at"),
    ("ops", "alert_deliveries"): ("recorded_at",),
}
"""Columns with what a clock said, the earliest of a row first."""


@dataclass(frozen=True)
class Redating:
    """What is ahead of the server's clock.

    Attributes:
        boundaries: What each boundary that is ahead becomes, in order.
        now: The server's time.
        ahead: How far the latest time of all is ahead.
    """

    boundaries: Mapping[datetime, datetime]
    now: datetime
    ahead: timedelta


def plan_redating(connection: psycopg.Connection) -> Redating:
    """Finds what is ahead of the server's clock, and what it becomes; changes nothing.

    Args:
        connection: Connection that holds the run's lock, so that the plan stays true.
    """
    now = server_time(connection)
    used: set[datetime] = set()
    past: list[datetime] = []
    for table, column in _present(connection, _BOUNDARIES):
        names = {"table": table, "column": column}
        distinct = sql.SQL("select distinct {column} from {table} where {column} > %s")
        used |= {time for (time,) in connection.execute(distinct.format(**names), (now,))}
        newest = sql.SQL("select max({column}) from {table} where {column} <= %s")
        past += [t for (t,) in connection.execute(newest.format(**names), (now,)) if t]
    latest = max(used, default=now)
    for table, column in _present(connection, _CLOCK_TIMES):
        row = connection.execute(sql.SQL("select max({}) from {}").format(column, table)).fetchone()
        latest = max(latest, (row and row[0]) or now)
    committed: dict[datetime, datetime] = {}
    for crawls in (*_CRAWLS, *_WITHDRAWN):
        if table_exists(connection, *crawls):
            rows = sql.SQL("select boundary_at, committed_at from {} where committed_at <= %s")
            committed |= dict(
                connection.execute(rows.format(sql.Identifier(*crawls)), (now,)).fetchall()
            )
    wanted = {time: committed.get(time, time - (latest - now)) for time in sorted(used)}
    return Redating(_in_order(wanted, max(past, default=None)), now, latest - now)


def redate(lock: psycopg.Connection, redating: Redating) -> None:
    """Sets back what is ahead, all in one transaction.

    Args:
        lock: Connection that holds the run's lock, and owns the tables or belongs to their owners.
        redating: What to set back, planned under the same lock.

    Raises:
        DatabaseError: What less trusted roles wrote would run; nothing is changed.
    """
    with lock.transaction():
        hold_tables_still(lock)
        lock.execute(
            "create temporary table redated (was timestamptz primary key, becomes timestamptz)"
            " on commit drop"
        )
        with lock.cursor() as cursor:
            cursor.executemany(
                "insert into redated values (%s, %s)", list(redating.boundaries.items())
            )
        _set_back_lists(lock)
        for table, column in _present(lock, _BOUNDARIES):
            lock.execute(
                sql.SQL(
                    "update {table} set {column} = becomes from redated where {column} = was"
                ).format(table=table, column=column)
            )
        for (schema, name), (first, *_) in _CLOCK_TIMES.items():
            for table, column in _present(lock, {(schema, name): _CLOCK_TIMES[schema, name]}):
                # what began before the clock ran ahead does not end before it began
                lock.execute(
                    sql.SQL(
                        """
                        update {table} set {column} = greatest(
                            {column} - %(ahead)s, case when {first} <= %(now)s then {first} end
                        )
                        where {column} > %(now)s
                        """
                    ).format(table=table, column=column, first=sql.Identifier(first)),
                    {"ahead": redating.ahead, "now": redating.now},
                )


def _present(
    connection: psycopg.Connection, tables: _Columns
) -> Iterator[tuple[sql.Identifier, sql.Identifier]]:
    for (schema, table), columns in tables.items():
        if table_exists(connection, schema, table):
            for column in columns:
                yield sql.Identifier(schema, table), sql.Identifier(column)


def _in_order(
    wanted: Mapping[datetime, datetime], last: datetime | None
) -> dict[datetime, datetime]:
    """Times as near to those that are wanted as their order, and what was before them, allows."""
    step = timedelta(microseconds=1)
    becomes: dict[datetime, datetime] = {}
    next_one: datetime | None = None
    for time in sorted(wanted, reverse=True):
        becomes[time] = wanted[time] if next_one is None else min(wanted[time], next_one - step)
        next_one = becomes[time]
    for time in sorted(wanted):
        if last is not None:
            becomes[time] = max(becomes[time], last + step)
        last = becomes[time]
    return {time: becomes[time] for time in sorted(wanted)}


def _set_back_lists(lock: psycopg.Connection) -> None:
    """Gives lists the day of their boundary: those for days to come would be served until then."""
    if not table_exists(lock, "recommendations", "batches"):
        return
    # an earlier version made no place for lists that others replace
    create_tables(lock)
    batches = lock.execute(
        """
        select
            source_name,
            for_date,
            for_date + (
                (becomes at time zone 'UTC')::date - (was at time zone 'UTC')::date
            ) as day
        from recommendations.batches
        inner join redated on data_cutoff = was
        order by for_date
        """
    ).fetchall()
    for source_name, for_date, day in batches:
        if for_date == day:
            continue
        # the later lists of a day take the place of the earlier, as ever
        supersede(lock, {"for_date": day, "source_name": source_name})
        for table in (*LISTS, *_SUPERSEDED):
            names = {"table": sql.Identifier("recommendations", table)}
            parameters = {"source": source_name, "was": for_date, "day": day}
            if table in LISTS:
                lock.execute(
                    sql.SQL(
                        "delete from {table} where source_name = %(source)s and for_date = %(day)s"
                    ).format(**names),
                    parameters,
                )
            lock.execute(
                sql.SQL(
                    "update {table} set for_date = %(day)s"
                    " where source_name = %(source)s and for_date = %(was)s"
                ).format(**names),
                parameters,
            )
