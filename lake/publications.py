"""What PostgreSQL knows of the lake: its publications, and the units that wait for the next one.

In: a connection that holds the run's lock. Out: rows of schema `lake`. A crawl is in the lake as a
whole when its row is in `lake.publications`, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from warehouse.database import create_schema, table_exists
from warehouse.errors import LakeError

SCHEMA = "lake"

LEDGER = (SCHEMA, "unpublished_units")
"""Units that dbt published since the lake was: macros/publication/lake.sql adds them."""

UNIT_COLUMNS = (SCHEMA, "unit_columns")
"""Which columns name a unit of a model: macros/publication/lake.sql writes them."""

_PUBLICATIONS = (SCHEMA, "publications")


@dataclass(frozen=True)
class Publication:
    """A crawl as it is in the lake.

    Attributes:
        tag: The tag that each of its tables has.
        boundary_at: The crawl.
        published_at: When it was complete.
        tables: The snapshot of each table, by its name.
        row_count: Rows of all its tables.
    """

    tag: str
    boundary_at: datetime
    published_at: datetime
    tables: Mapping[str, int]
    row_count: int


def prepare(lock: psycopg.Connection) -> None:
    """Makes the tables of schema `lake` that are not PyIceberg's.

    Args:
        lock: Connection that holds the run's lock.

    Raises:
        LakeError: There is nothing that could go to a lake.
    """
    if not table_exists(lock, "intermediate", "published_builds"):
        raise LakeError(
            "There is nothing to bring to the lake: marts were never published. Run `dbt build`."
        )
    if table_exists(lock, *LEDGER):
        return
    names = {
        "ledger": sql.Identifier(*LEDGER),
        "publications": sql.Identifier(*_PUBLICATIONS),
        "schema": sql.Identifier(SCHEMA),
        "unit_columns": sql.Identifier(*UNIT_COLUMNS),
    }
    with lock.transaction():
        # no publication is under way that does not see the ledger
        lock.execute("lock table intermediate.published_builds in exclusive mode")
        create_schema(lock, SCHEMA)
        lock.execute(
            sql.SQL(
                """
                create table {ledger} (
                    -- in the order of publications
                    unit_number bigint generated always as identity primary key,
                    model_name text not null,
                    -- as in intermediate.unpublished_units
                    key_1 text,
                    key_2 text,
                    key_3 text
                );
                create table {unit_columns} (
                    model_name text primary key,
                    -- the unique_key, separated by blanks
                    unit_columns text not null
                );
                create table {publications} (
                    tag text primary key,
                    boundary_at timestamptz not null,
                    published_at timestamptz not null default clock_timestamp(),
                    -- snapshot of each table
                    tables jsonb not null,
                    row_count bigint not null
                )
                """
            ).format(**names)
        )
        row = lock.execute(
            """
            select pg_get_userbyid(relowner)::text
            from pg_class
            where oid = 'intermediate.published_builds'::regclass
            """
        ).fetchone()
        # who publishes marts writes down what for the lake
        names["transformer"] = sql.Identifier(str(row[0]) if row else "")
        for statement in (
            "grant usage on schema {schema} to {transformer}",
            "grant select, insert, delete on {ledger}, {unit_columns} to {transformer}",
        ):
            lock.execute(sql.SQL(statement).format(**names))


def read_publications(connection: psycopg.Connection) -> list[Publication]:
    """The publications that the lake keeps, the last one first.

    Args:
        connection: Connection to the warehouse.
    """
    if not table_exists(connection, *_PUBLICATIONS):
        return []
    rows = connection.execute(
        sql.SQL(
            """
            select tag, boundary_at, published_at, tables, row_count
            from {}
            order by published_at desc
            """
        ).format(sql.Identifier(*_PUBLICATIONS))
    )
    return [Publication(*row) for row in rows]


def record(
    lock: psycopg.Connection,
    tag: str,
    boundary_at: datetime,
    tables: Mapping[str, int],
    row_count: int,
) -> None:
    """Makes a crawl visible as a whole.

    Args:
        lock: Connection that holds the run's lock.
        tag: The tag that each table has.
        boundary_at: The crawl.
        tables: The snapshot of each table.
        row_count: Rows of all of them.
    """
    lock.execute(
        sql.SQL(
            "insert into {} (tag, boundary_at, tables, row_count) values (%s, %s, %s, %s)"
        ).format(sql.Identifier(*_PUBLICATIONS)),
        (tag, boundary_at, Jsonb(dict(tables)), row_count),
    )


def forget_units(lock: psycopg.Connection, last_number: int) -> None:
    """Deletes units that the lake has.

    Args:
        lock: Connection that holds the run's lock.
        last_number: The last one; units of later publications stay.
    """
    lock.execute(
        sql.SQL("delete from {} where unit_number <= %s").format(sql.Identifier(*LEDGER)),
        (last_number,),
    )


def keep_last(lock: psycopg.Connection, count: int) -> None:
    """Deletes the rows of all but the last publications.

    Args:
        lock: Connection that holds the run's lock.
        count: How many stay.
    """
    lock.execute(
        sql.SQL(
            "delete from {publications} where tag not in"
            " (select tag from {publications} order by published_at desc limit %s)"
        ).format(publications=sql.Identifier(*_PUBLICATIONS)),
        (count,),
    )


def expect_whole(lock: psycopg.Connection, model_names: list[str]) -> None:
    """Has the next publication replace tables whole, as their rows are not those of the last one.

    Args:
        lock: Connection that holds the run's lock.
        model_names: Models that are built by unit, or others.
    """
    lock.execute(
        sql.SQL("insert into {} (model_name) select unnest(%s::text[])").format(
            sql.Identifier(*LEDGER)
        ),
        (model_names,),
    )
