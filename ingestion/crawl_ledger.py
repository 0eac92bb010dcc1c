"""The committed crawls: one row each, whose insertion makes a crawl visible.

In: the figures of a crawl whose rows are merged. Out: a row of `crawls`. Everything
downstream reads landing as of the boundary of the last row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from warehouse.database import add_column

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


def count_crawls(connection: psycopg.Connection, schema: str) -> int:
    """Counts the committed crawls; 0 where nothing was ever landed."""
    if not table_exists(connection, schema, "crawls"):
        return 0
    row = connection.execute(
        sql.SQL("select count(*) from {}").format(sql.Identifier(schema, "crawls"))
    ).fetchone()
    return int(row[0]) if row else 0


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
    """
    latest = latest_boundary_used(connection, schema, endpoints)
    now = now.astimezone(UTC)
    return now if latest is None else max(now, latest + timedelta(microseconds=1))


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


def table_exists(connection: psycopg.Connection, schema: str, table: str) -> bool:
    """Whether a table is there."""
    row = connection.execute(
        "select exists (select from pg_tables where schemaname = %s and tablename = %s)",
        (schema, table),
    ).fetchone()
    return bool(row and row[0])
