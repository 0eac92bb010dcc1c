"""One import: land each event of an export that is not there yet.

In: settings, the files of an export and whose it is. Out: rows of `raw_spotify` and a report. dlt
merges the events in one transaction, so that an import that dies has landed all of them or none,
and to run it again is harmless.

What is imported becomes part of the marts with the next crawl: everything there is as of one
moment, that of the last committed crawl (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
import msgspec
import psycopg
import pyarrow as pa
import xxhash
from dlt.common.schema.typing import TColumnSchema
from psycopg import sql

from ingestion.crawl_ledger import next_boundary, table_exists
from ingestion.endpoint import ROW_HASH
from ingestion.landing_pipeline import landing_pipeline, run_pipeline
from ingestion.moovitamix import ENDPOINTS
from ingestion.moovitamix import LANDING_SCHEMA as CRAWLED_SCHEMA
from ingestion.quarantine import create_rejected_records, record_rejections
from ingestion.spotify import LANDING_SCHEMA, PIPELINE, STREAMS, rejected_of
from ingestion.spotify.export import ExportFile
from ingestion.tombstones import read_tombstones
from warehouse.database import create_schema
from warehouse.errors import LandingError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

USER_ID, DETAILS, LANDED_AT = "user_id", "details", "landed_at"

_COLUMNS: dict[str, TColumnSchema] = {
    ROW_HASH: {"data_type": "text", "nullable": False, "primary_key": True},
    USER_ID: {"data_type": "text", "nullable": False},
    **{name: hint for name, hint in STREAMS.column_hints.items() if name != ROW_HASH},
    DETAILS: {"data_type": "json"},
    LANDED_AT: {"data_type": "timestamp", "nullable": False},
}


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        files: Files read.
        events: Records in them, equal ones counted each time.
        new: Events that were landed.
        rejected: Records that do not fit, in `raw_spotify.rejected_records`.
    """

    files: int
    events: int
    new: int
    rejected: int


def refuse_forgotten(settings: Settings, lock: psycopg.Connection, user_id: str) -> None:
    """Raises where a person was forgotten.

    Args:
        settings: Where the key of the tombstones is.
        lock: Connection that holds the run's lock.
        user_id: Whose an export is.

    Raises:
        LandingError: They were, or the key is not there.
    """
    tombstones = read_tombstones(lock, settings, LANDING_SCHEMA)
    if tombstones is not None and tombstones.cover(user_id):
        raise LandingError(
            "This user was forgotten, so nothing was landed: who comes back does so under another "
            "id."
        )


def import_files(
    settings: Settings,
    lock: psycopg.Connection,
    files: Sequence[ExportFile],
    user_id: str,
    *,
    is_whole: bool,
) -> ImportReport:
    """Imports the files of an export.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        files: All of them: they are read before any is landed, so that one that is none lands
            nothing.
        user_id: Whose it is, as the marts are to name them: new exports do not say.
        is_whole: Whether a record that did not fit, and is not in them, is mended.

    Returns:
        What was landed.

    Raises:
        LandingError: dlt failed; nothing was landed.
    """
    create_schema(lock, LANDING_SCHEMA)
    # later than any crawl, also where the clock jumped back: builds look for what is new by time
    names = [endpoint.name for endpoint in ENDPOINTS]
    landed_at = next_boundary(lock, CRAWLED_SCHEMA, names, datetime.now(UTC))
    before = _count(lock)
    run_pipeline(
        landing_pipeline(settings, PIPELINE, LANDING_SCHEMA),
        [
            dlt.resource(
                _tables(files, user_id, landed_at),
                name=STREAMS.name,
                columns=_COLUMNS,
                file_format="parquet",
                write_disposition={"disposition": "merge", "strategy": "insert-only"},
            )
        ],
    )
    rejected = [record for file in files for record in file.page.rejected]
    with lock.transaction():
        create_rejected_records(lock, LANDING_SCHEMA)
        # of this person: an export of another one mends nothing
        record_rejections(
            lock, LANDING_SCHEMA, {rejected_of(user_id): rejected}, landed_at, is_whole=is_whole
        )
    report = ImportReport(
        files=len(files),
        events=sum(file.page.row_count for file in files),
        new=_count(lock) - before,
        rejected=len(rejected),
    )
    _logger.info(
        "imported",
        file_count=report.files,
        event_count=report.events,
        new_count=report.new,
        rejected_count=report.rejected,
    )
    return report


def _tables(files: Sequence[ExportFile], user_id: str, landed_at: datetime) -> Iterator[pa.Table]:
    """The events of each file, equal ones once."""
    seen: set[str] = set()
    for file in files:
        rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for number, record in enumerate(file.page.records):
            details = file.page.undeclared.get(number)
            row_hash = _hash(user_id, record, details)
            if row_hash in seen:
                continue
            seen.add(row_hash)
            for name in STREAMS.arrow_types:
                rows[name].append(getattr(record, name))
            rows[ROW_HASH].append(row_hash)
            rows[USER_ID].append(user_id)
            rows[DETAILS].append(msgspec.json.encode(details).decode() if details else None)
            rows[LANDED_AT].append(landed_at)
        if rows[ROW_HASH]:
            yield pa.table(rows, schema=_ARROW_SCHEMA)


def _hash(user_id: str, record: msgspec.Struct, details: dict[str, Any] | None) -> str:
    # a later export that has one more field, null for what is older, tells nothing new
    told = {name: value for name, value in (details or {}).items() if value is not None}
    content = msgspec.json.encode([user_id, record, told], order="deterministic")
    return xxhash.xxh3_128_hexdigest(content)


_ARROW_SCHEMA = pa.schema(
    {
        ROW_HASH: pa.string(),
        USER_ID: pa.string(),
        **STREAMS.arrow_types,
        DETAILS: pa.string(),
        LANDED_AT: pa.timestamp("us", tz="UTC"),
    }
)


def _count(connection: psycopg.Connection) -> int:
    if not table_exists(connection, LANDING_SCHEMA, STREAMS.name):
        return 0
    row = connection.execute(
        sql.SQL("select count(*) from {}").format(sql.Identifier(LANDING_SCHEMA, STREAMS.name))
    ).fetchone()
    return int(row[0]) if row else 0
