"""What landing holds now: the keys and hashes of the versions that are valid.

In: the landing tables. Out: Arrow rows, read in one piece over ADBC, since a crawl of
millions of rows is compared with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql

from ingestion.endpoint import Endpoint
from warehouse.database import explain_failure, library_url, table_exists
from warehouse.run_lock import LOADER_APPLICATION
from warehouse.settings import Settings


@contextmanager
def reading_versions(settings: Settings) -> Iterator[dbapi.Connection]:
    """A connection to read versions over, one for a whole crawl: ADBC begins by reading all types.

    Args:
        settings: Which warehouse.

    Raises:
        DatabaseError: The server failed meanwhile.
    """
    url = library_url(settings, LOADER_APPLICATION, {})
    try:
        # no transaction stays open while pages are read
        with dbapi.connect(url, autocommit=True) as reading:
            yield reading
    except dbapi.Error as error:
        raise explain_failure(settings, error) from error


def read_current_versions(
    connection: psycopg.Connection,
    reading: dbapi.Connection,
    schema: str,
    endpoint: Endpoint,
    columns: tuple[str, ...],
) -> pa.Table | None:
    """Reads columns of the versions that no later crawl has closed.

    Args:
        connection: Connection to the warehouse.
        reading: Of `reading_versions`.
        schema: Landing schema.
        endpoint: Whose versions.
        columns: Which columns.

    Returns:
        One row per current version, or None when nothing was ever landed.
    """
    if not table_exists(connection, schema, endpoint.name):
        return None
    query = sql.SQL("select {} from {} where _dlt_valid_to is null").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, endpoint.name)
    )
    with reading.cursor() as cursor:
        cursor.execute(query.as_string(connection))
        return cursor.fetch_arrow_table()
