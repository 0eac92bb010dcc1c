"""The committed crawls: one row each, whose insertion makes a crawl visible.

In: the figures of a crawl whose rows are merged. Out: a row of `crawls`. Everything
downstream reads landing as of the boundary of the last row.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import cast

import psycopg
from psycopg import sql

from warehouse.database import add_column, table_exists
from warehouse.errors import ClockError

MAX_AHEAD = timedelta(minutes=5)
"""How far a boundary may be ahead of the database server's clock: clocks differ a little. The rule
`boundary_ahead` of rule_thresholds.csv is the same."""

WITHDRAWN_CRAWLS = "withdrawn_crawls"
"""Table of the crawls that were taken back, which landing no longer shows."""


@dataclass(frozen=True)
class EndpointFigures:
    """What became of an endpoint's rows; reported = landed + duplicates + rejected + forgotten.

    Attributes:
        reported: Rows that the API says it has.
        landed: Rows that are landed, newly or as before.
        duplicates: Rows dropped because an identical one is landed.
        rejected: Rows in quarantine.
        carried: Versions that stay valid because today's record is in quarantine.
        forgotten: Rows of people who were forgotten, dropped as they came.
    """

    reported: int
    landed: int
    duplicates: int
    rejected: int
    carried: int
    forgotten: int = 0


@dataclass(frozen=True)
class Crawl:
    """A crawl whose rows are merged.

    Attributes:
        crawl_id: Its identifier.
        load_id: dlt's load package.
        boundary_at: From when its versions are valid.
        started_at: When it began.
        code_version: Version of Listenhouse that ran it.
        figures: What became of the rows, by endpoint.
    """

    crawl_id: str
    load_id: str
    boundary_at: datetime
    started_at: datetime
    code_version: str
    figures: Mapping[str, EndpointFigures]


def create_crawls(connection: psycopg.Connection, schema: str, endpoints: Sequence[str]) -> None:
    """Creates the table where it is missing.

    Args:
        connection: Connection that may create tables in the schema.
        schema: Landing schema.
        endpoints: Names of the endpoints, whose figures become columns.
    """
    figures = [
        sql.SQL("{} bigint not null").format(sql.Identifier(f"{endpoint}_{figure.name}"))
        for endpoint in endpoints
        for figure in fields(EndpointFigures)
    ]
    connection.execute(
        sql.SQL(
            """
            create table if not exists {} (
                crawl_id text primary key,
                load_id text not null,
                boundary_at timestamptz not null unique,
                started_at timestamptz not null,
                committed_at timestamptz not null,
                code_version text not null,
                {}
            )
            """
        ).format(sql.Identifier(schema, "crawls"), sql.SQL(", ").join(figures))
    )
    for endpoint in endpoints:
        # made by a version that forgot nobody
        add_column(
            connection, schema, "crawls", f"{endpoint}_forgotten", "bigint not null default 0"
        )


def crawl_dates(connection: psycopg.Connection, schema: str) -> list[date]:
    """The days (UTC) of the committed crawls, first to last; none where nothing was ever landed."""
    if not table_exists(connection, schema, "crawls"):
        return []
    rows = connection.execute(
        sql.SQL("select boundary_at from {} order by boundary_at").format(
            sql.Identifier(schema, "crawls")
        )
    )
    return [boundary_at.astimezone(UTC).date() for (boundary_at,) in rows]


def last_boundary(connection: psycopg.Connection, schema: str) -> datetime | None:
    """The boundary of the last committed crawl, None before the first."""
    if not table_exists(connection, schema, "crawls"):
        return None
    row = connection.execute(
        sql.SQL("select max(boundary_at) from {}").format(sql.Identifier(schema, "crawls"))
    ).fetchone()
    return row[0] if row else None


def next_boundary(
    connection: psycopg.Connection, schema: str, endpoints: Sequence[str], now: datetime
) -> datetime:
    """Chooses the boundary of a crawl: now, but later than any boundary ever used.

    Boundaries of crawls that were merged in part and never committed count as used, and so do
    those of withdrawn crawls; and the clock may have jumped back since.

    Args:
        connection: Connection to the warehouse.
        schema: Landing schema.
        endpoints: Landing tables.
        now: The time, with its zone.

    Raises:
        ClockError: It would be ahead of the database server's clock, and all later ones with it.
    """
    latest = latest_boundary_used(connection, schema, endpoints)
    now = now.astimezone(UTC)
    fault = describe_clock_ahead(connection, now) or describe_boundary_ahead(connection, latest)
    if fault:
        raise ClockError(f"Nothing was landed: {fault}, then run again.")
    return now if latest is None else max(now, latest + timedelta(microseconds=1))


def describe_clock_ahead(connection: psycopg.Connection, now: datetime) -> str | None:
    """Says that the clock of this machine is ahead of the server's, and what to do.

    Args:
        connection: Connection to the warehouse.
        now: What the clock says, with its zone.

    Returns:
        None where it is not, or by no more than `MAX_AHEAD`.
    """
    ahead = now - server_time(connection)
    if ahead <= MAX_AHEAD:
        return None
    return (
        f"the clock of {socket.gethostname()} is {_duration(ahead)} ahead of the database "
        "server's; set the wrong one of them right (NTP does)"
    )


def describe_boundary_ahead(
    connection: psycopg.Connection, boundary_at: datetime | None
) -> str | None:
    """Says that a boundary is ahead of the server's clock, and what to do.

    Args:
        connection: Connection to the warehouse.
        boundary_at: The latest boundary, None where there is none.

    Returns:
        None where it is not, or by no more than `MAX_AHEAD`.
    """
    if boundary_at is None or (ahead := boundary_at - server_time(connection)) <= MAX_AHEAD:
        return None
    return (
        f"landing has the boundary {boundary_at.astimezone(UTC):%F %T} UTC, {_duration(ahead)} "
        "ahead of the database server's clock, as a clock was wrong; once the server's is right, "
        "set it back with `listenhouse redate`"
    )


def server_time(connection: psycopg.Connection) -> datetime:
    """What the clock of the database server says."""
    row = connection.execute("select clock_timestamp()").fetchone()
    if row is None:
        raise AssertionError("a select without a table has one row")
    return cast(datetime, row[0])


def _duration(time: timedelta) -> str:
    # without microseconds
    return str(timedelta(seconds=round(time.total_seconds())))


def latest_boundary_used(
    connection: psycopg.Connection, schema: str, endpoints: Sequence[str]
) -> datetime | None:
    """The latest boundary that any crawl ever had, None before the first.

    Args:
        connection: Connection to the warehouse.
        schema: Landing schema.
        endpoints: Landing tables.
    """
    used = [last_boundary(connection, schema)]
    columns = dict.fromkeys(endpoints, ("_dlt_valid_from", "_dlt_valid_to"))
    # what was built from a withdrawn crawl still bears its boundary: it must stay unmistakable
    columns[WITHDRAWN_CRAWLS] = ("boundary_at", "boundaries_used_until")
    for table, (first, second) in columns.items():
        if table_exists(connection, schema, table):
            row = connection.execute(
                sql.SQL("select greatest(max({}), max({})) from {}").format(
                    sql.Identifier(first), sql.Identifier(second), sql.Identifier(schema, table)
                )
            ).fetchone()
            used.append(row[0] if row else None)
    return max((boundary for boundary in used if boundary), default=None)


def commit_crawl(connection: psycopg.Connection, schema: str, crawl: Crawl) -> None:
    """Inserts the row that makes a crawl visible.

    Args:
        connection: Connection that holds the run's lock, in a transaction.
        schema: Landing schema.
        crawl: What is merged.
    """
    columns: dict[str, object] = {
        field.name: getattr(crawl, field.name) for field in fields(crawl) if field.name != "figures"
    }
    for endpoint, figures in crawl.figures.items():
        for figure, count in asdict(figures).items():
            columns[f"{endpoint}_{figure}"] = count
    connection.execute(
        sql.SQL("insert into {} (committed_at, {}) values (clock_timestamp(), {})").format(
            sql.Identifier(schema, "crawls"),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(sql.Placeholder() for _ in columns),
        ),
        list(columns.values()),
    )
