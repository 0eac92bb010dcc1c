"""Records that do not fit are kept verbatim, once, until they are mended.

In: the rejected records of a crawl. Out: rows of `rejected_records`, one per content, with
the first and the last crawl that served it, and when it stopped being served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import psycopg
import xxhash
from psycopg import sql

from ingestion.crawl.decoding import RejectedRecord


def create_rejected_records(connection: psycopg.Connection, schema: str) -> None:
    """Creates the table where it is missing.

    Args:
        connection: Connection that may create tables in the schema.
        schema: Landing schema.
    """
    connection.execute(
        sql.SQL(
            """
            create table if not exists {} (
                record_hash text primary key,
                endpoint text not null,
                record text not null,
                reason text not null,
                first_seen_at timestamptz not null,
                last_seen_at timestamptz not null,
                resolved_at timestamptz
            )
            """
        ).format(sql.Identifier(schema, "rejected_records"))
    )


def record_rejections(
    connection: psycopg.Connection,
    schema: str,
    rejected: Mapping[str, Sequence[RejectedRecord]],
    boundary_at: datetime,
    *,
    is_whole: bool = True,
) -> None:
    """Writes what a crawl rejected; what it no longer served is resolved.

    Args:
        connection: Connection, in the transaction that commits the crawl.
        schema: Landing schema.
        rejected: Rejected records by endpoint, of every endpoint crawled.
        boundary_at: The crawl's boundary.
        is_whole: Whether all there is was read: what is not in a part may be in the others.
    """
    table = sql.Identifier(schema, "rejected_records")
    rows = [
        (
            _content_hash(endpoint, record),
            endpoint,
            _storable(record.record),
            _storable(record.reason),
        )
        for endpoint, records in rejected.items()
        for record in records
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL(
                """
                insert into {} as kept (
                    record_hash, endpoint, record, reason, first_seen_at, last_seen_at
                )
                values (%s, %s, %s, %s, %s, %s)
                on conflict (record_hash) do update
                set last_seen_at = excluded.last_seen_at, resolved_at = null
                """
            ).format(table),
            [(*row, boundary_at, boundary_at) for row in rows],
        )
    if not is_whole:
        return
    connection.execute(
        sql.SQL(
            """
            update {} set resolved_at = %s
            where resolved_at is null and last_seen_at < %s and endpoint = any(%s)
            """
        ).format(table),
        (boundary_at, boundary_at, list(rejected)),
    )


def _content_hash(endpoint: str, record: RejectedRecord) -> str:
    return xxhash.xxh3_128_hexdigest(f"{endpoint}\n{record.record}".encode())


def _storable(text: str) -> str:
    # a record can hold a raw NUL, a reason can name a field whose name is no storable text
    return text.encode("utf-8", errors="backslashreplace").decode().replace("\x00", "\\x00")
