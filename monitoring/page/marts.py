"""How pages read the marts: as of one moment, and names of a bounded length.

In: a connection and a schema. Out: a transaction in which the marts are found by their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from warehouse.errors import DatabaseError

MARTS = "marts"
"""Where people read the marts of today."""

MAX_NAME = 100
"""Characters of a name that a page has, at most: a source may send any length."""


@contextmanager
def reading_marts(
    connection: psycopg.Connection, schema: str, tables: Sequence[str]
) -> Iterator[None]:
    """A transaction that reads marts.

    Args:
        connection: Connection to the warehouse, in autocommit mode.
        schema: Schema of the marts.
        tables: Those that have to be there.

    Raises:
        DatabaseError: They are not there or cannot be read; says what to do.
    """
    try:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read read only")
            connection.execute(
                sql.SQL("set local search_path to {}").format(sql.Identifier(schema))
            )
            _require(connection, schema, tables)
            yield
    except psycopg.Error as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DatabaseError(
            f"The marts in schema {schema} could not be read ({cause}): run `dbt build`, and "
            "check that the user in LISTENHOUSE_DATABASE_URL may read that schema."
        ) from error


def bounded(text: str) -> str:
    """The text, or what a long one begins with: names must not make a page long."""
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"


def _require(connection: psycopg.Connection, schema: str, tables: Sequence[str]) -> None:
    found = {
        row[0]
        for row in connection.execute(
            "select tablename from pg_tables where schemaname = %s", (schema,)
        )
    }
    if not found and schema != MARTS:
        raise DatabaseError(
            f"There is no schema {schema} with marts in it: those of today are in {MARTS}, those "
            "of a past day, as `dbt build --vars '{as_of: 2026-03-01}'` builds them, in "
            "as_of_20260301_marts."
        )
    missing = [table for table in tables if table not in found]
    if missing:
        raise DatabaseError(
            f"There is no {schema}.{missing[0]} to make the page from: run `listenhouse run`, or "
            "`dbt build` if data was loaded already."
        )
