"""One moment of PostgreSQL, from which all of a publication is read.

In: settings. Out: rows, and Arrow tables of a bounded number of rows, over ADBC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql

from warehouse.database import explain_failure, library_url
from warehouse.settings import Settings

APPLICATION = "listenhouse lake"
"""How the sessions of the lake call themselves."""

CHUNK_ROWS = 50_000
"""Rows that are held at a time."""


@dataclass(frozen=True)
class Snapshot:
    """A transaction that sees one moment.

    Attributes:
        cursor: Its cursor; a query ends before the next begins.
    """

    cursor: dbapi.Cursor

    def rows(self, query: sql.Composable) -> list[tuple[Any, ...]]:
        """The rows of a query, all of them."""
        self.cursor.execute(query.as_string(None))
        return list(self.cursor.fetchall())

    def chunks(self, query: sql.Composable, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows of a query, at most `CHUNK_ROWS` at a time.

        Args:
            query: With the columns of the schema, in its order.
            schema: What the rows are cast to.
        """
        self.cursor.execute(query.as_string(None))
        yield from chunked(
            pa.Table.from_batches([batch]).cast(schema) if batch.schema != schema else batch
            for batch in self.cursor.fetch_record_batch()
        )


@contextmanager
def reading(settings: Settings) -> Iterator[Snapshot]:
    """A snapshot, which lasts while the block does.

    Args:
        settings: Which warehouse.

    Raises:
        DatabaseError: The server failed meanwhile.
    """
    try:
        with (
            dbapi.connect(library_url(settings, APPLICATION, {})) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("set transaction isolation level repeatable read read only")
            yield Snapshot(cursor)
    except dbapi.Error as error:
        raise explain_failure(settings, error) from error


def chunked(parts: Iterator[pa.Table | pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of `CHUNK_ROWS`, the last of which has fewer.

    Args:
        parts: Tables or batches of the same schema.
    """
    held: list[pa.Table] = []
    count = 0
    for part in parts:
        table = pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
        while count + len(table) >= CHUNK_ROWS:
            missing = CHUNK_ROWS - count
            yield pa.concat_tables([*held, table.slice(0, missing)])
            table = table.slice(missing)
            held, count = [], 0
        if len(table):
            held.append(table)
            count += len(table)
    if held:
        yield pa.concat_tables(held)
