"""One load: crawl every endpoint, merge into landing, make it visible in one row.

In: settings. Out: rows in `raw_moovitamix` and a report. A load that dies at any point
leaves landing as it reads: what it merged is newer than the last committed boundary, and the
next load puts it right.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql

from ingestion import PIPELINE
from ingestion.crawl.completeness import CrawledEndpoint, Landed, ProgressCallback, crawl_endpoint
from ingestion.crawl.drift import column_names, describe_drift
from ingestion.crawl.pages import HttpCounters, PageReader
from ingestion.crawl.shrink_guard import refuse_shrunk
from ingestion.crawl.spool import key_columns, packed_keys
from ingestion.endpoint import ROW_HASH, Endpoint
from ingestion.landing.crawl_ledger import (
    Crawl,
    EndpointFigures,
    commit_crawl,
    create_crawls,
    next_boundary,
)
from ingestion.landing.landed_versions import read_current_versions, reading_versions
from ingestion.landing.merge import LoadPackage, merge
from ingestion.landing.pipeline import landing_pipeline
from ingestion.landing.proven_rows import ProvenRows
from ingestion.landing.quarantine import create_rejected_records, record_rejections
from ingestion.landing.tombstones import read_tombstones
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from warehouse.database import create_schema, describe
from warehouse.errors import DatabaseError, SettingsError, describe_unwritable
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

_NAMES = tuple(endpoint.name for endpoint in ENDPOINTS)


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    Attributes:
        crawl: The committed crawl.
        opened: Versions that are new, by endpoint.
        closed: Versions that ended, by endpoint.
        package: What dlt loaded.
        drift: Fields that the API added or gave up, one line each.
    """

    crawl: Crawl
    opened: dict[str, int]
    closed: dict[str, int]
    package: LoadPackage
    drift: list[str]


def _ignore_progress(_endpoint: str, _page: int, _pages: int) -> None:
    """Shows nothing."""


def load(
    settings: Settings,
    lock: psycopg.Connection,
    *,
    accept_shrink: bool = False,
    on_page: ProgressCallback = _ignore_progress,
    http: HttpCounters | None = None,
) -> LoadReport:
    """Runs one load, from the first page to the committed row.

    Args:
        settings: Source and warehouse.
        lock: Connection that holds the run's lock.
        accept_shrink: Land the crawl even when the source holds far less than before, or
            other keys.
        on_page: Told of each page read.
        http: Where requests are counted, for who wants to know.

    Returns:
        What was landed; it is visible when this returns.

    Raises:
        ListenhouseError: Something a person has to act on; nothing of the crawl is visible.
    """
    _require_rights(lock, settings)
    # before the crawl: nobody who was forgotten gets as far as the disk
    tombstones = read_tombstones(lock, settings, LANDING_SCHEMA)
    # a clock that is ahead is found before the crawl, not after it
    next_boundary(lock, LANDING_SCHEMA, _NAMES, datetime.now(UTC))
    with _crawl_folder(settings) as folder:
        started_at = datetime.now(UTC)
        reader = PageReader(settings, http or HttpCounters(), tombstones)
        proven = []
        drift: list[str] = []
        try:
            with reading_versions(settings) as reading:
                for endpoint in ENDPOINTS:
                    landed = _read_landed(lock, reading, endpoint)
                    rows = crawl_endpoint(reader, endpoint, folder, landed, on_page)
                    if landed.keys is not None and not accept_shrink:
                        seen = zip(rows.read_keys(), rows.rejected_keys(), strict=True)
                        refuse_shrunk(endpoint, tuple(map(np.concatenate, seen)), landed.keys)
                    proven.append(ProvenRows(rows, _find_carried(lock, reading, rows)))
                    changes = describe_drift(lock, LANDING_SCHEMA, rows)
                    for change in changes:
                        _logger.info("schema changed", endpoint=endpoint.name, description=change)
                    drift += changes
        finally:
            reader.close()
        crawl, package = _land(lock, settings, proven, started_at)
    return LoadReport(
        crawl=crawl,
        opened=_count_versions(lock, "_dlt_valid_from", crawl.boundary_at),
        closed=_count_versions(lock, "_dlt_valid_to", crawl.boundary_at),
        package=package,
        drift=drift,
    )


def _land(
    lock: psycopg.Connection,
    settings: Settings,
    proven: Sequence[ProvenRows],
    started_at: datetime,
) -> tuple[Crawl, LoadPackage]:
    """Merges proven rows, then commits the row that makes them visible."""
    create_schema(lock, LANDING_SCHEMA)
    boundary_at = next_boundary(lock, LANDING_SCHEMA, _NAMES, datetime.now(UTC))
    pipeline = landing_pipeline(settings, PIPELINE, LANDING_SCHEMA)
    package = merge(pipeline, proven, boundary_at)
    crawl = Crawl(
        crawl_id=str(uuid.uuid4()),
        load_id=package.load_id,
        boundary_at=boundary_at,
        started_at=started_at,
        code_version=version("listenhouse"),
        figures={
            rows.endpoint.name: EndpointFigures(
                reported=rows.crawled.reported,
                landed=rows.crawled.landed,
                duplicates=rows.crawled.duplicates,
                rejected=len(rows.crawled.rejected),
                carried=len(rows.carried),
                forgotten=rows.crawled.forgotten,
            )
            for rows in proven
        },
    )
    _secure_tables(lock)
    # on the connection that holds the lock: who lost the lock cannot commit
    with lock.transaction():
        create_rejected_records(lock, LANDING_SCHEMA)
        create_crawls(lock, LANDING_SCHEMA, _NAMES)
        rejected = {rows.endpoint.name: rows.crawled.rejected for rows in proven}
        record_rejections(lock, LANDING_SCHEMA, rejected, boundary_at)
        commit_crawl(lock, LANDING_SCHEMA, crawl)
    _logger.info("committed", crawl_id=crawl.crawl_id, boundary_at=boundary_at.isoformat())
    return crawl, package


def _read_landed(
    connection: psycopg.Connection, reading: dbapi.Connection, endpoint: Endpoint
) -> Landed:
    """Reads the keys of the versions that are valid, and the columns that there are."""
    landed = read_current_versions(connection, reading, LANDING_SCHEMA, endpoint, endpoint.key)
    return Landed(
        keys=None if landed is None else key_columns(endpoint, landed),
        columns=column_names(connection, LANDING_SCHEMA, endpoint.name),
    )


def _find_carried(
    connection: psycopg.Connection, reading: dbapi.Connection, crawled: CrawledEndpoint
) -> list[str]:
    """Finds the row hashes of valid versions to keep, though no row of the crawl has them.

    Their record is in quarantine today, or it may only have moved while the pages were read.
    """
    rejected = np.setdiff1d(packed_keys(crawled.rejected_keys()), packed_keys(crawled.read_keys()))
    kept = np.concatenate([rejected, crawled.unconfirmed])
    if not len(kept):
        return []
    endpoint = crawled.endpoint
    landed = read_current_versions(
        connection, reading, LANDING_SCHEMA, endpoint, (*endpoint.key, ROW_HASH)
    )
    if landed is None:
        return []
    is_kept = np.isin(packed_keys(key_columns(endpoint, landed)), kept)
    hashes: list[str] = landed.column(ROW_HASH).filter(pa.array(is_kept)).to_pylist()
    return hashes


def _secure_tables(connection: psycopg.Connection) -> None:
    """Adds what dlt's SCD2 does not: no null hash, one current version per key, indexes."""
    for endpoint in ENDPOINTS:
        table = sql.Identifier(LANDING_SCHEMA, endpoint.name)
        # one null in the list would make `not in` untrue for every row, and land nothing
        connection.execute(
            sql.SQL("alter table {} alter column {} set not null").format(
                table, sql.Identifier(ROW_HASH)
            )
        )
        key = sql.SQL(", ").join(map(sql.Identifier, endpoint.key))
        for name, definition in (
            ("one_current_version", sql.SQL("({}) where _dlt_valid_to is null").format(key)),
            ("opened", sql.SQL("(_dlt_valid_from)")),
            ("closed", sql.SQL("(_dlt_valid_to) where _dlt_valid_to is not null")),
        ):
            connection.execute(
                sql.SQL("create {}index if not exists {} on {} {}").format(
                    sql.SQL("unique " if name == "one_current_version" else ""),
                    sql.Identifier(f"{endpoint.name}_{name}"),
                    table,
                    definition,
                )
            )


def _count_versions(
    connection: psycopg.Connection, column: str, boundary_at: datetime
) -> dict[str, int]:
    """Counts the versions that a boundary opened or closed, by endpoint."""
    counts = {}
    for endpoint in ENDPOINTS:
        row = connection.execute(
            sql.SQL("select count(*) from {} where {} = %s").format(
                sql.Identifier(LANDING_SCHEMA, endpoint.name), sql.Identifier(column)
            ),
            (boundary_at,),
        ).fetchone()
        counts[endpoint.name] = int(row[0]) if row else 0
    return counts


def _require_rights(connection: psycopg.Connection, settings: Settings) -> None:
    """Finds a missing right before the crawl, not after it."""
    row = connection.execute(
        """
        select
            has_database_privilege(current_database(), 'create')
            or coalesce(has_schema_privilege(to_regnamespace(%s)::oid, 'create'), false),
            current_user
        """,
        (LANDING_SCHEMA,),
    ).fetchone()
    if row and not row[0]:
        raise DatabaseError(
            f"The user {row[1]} may not create schemas in {describe(settings)}: an owner of the "
            f'database has to run `grant create on database "{connection.info.dbname}" to '
            f'"{row[1]}"`, or `listenhouse grant loader {row[1]}`.'
        )


@contextmanager
def _crawl_folder(settings: Settings) -> Iterator[Path]:
    """A folder for this crawl's spools; those of dead runs go, as the lock is ours."""
    try:
        shutil.rmtree(settings.spool_directory, ignore_errors=True)
        settings.spool_directory.mkdir(parents=True)
        folder = Path(tempfile.mkdtemp(dir=settings.spool_directory))
    except OSError as error:
        raise SettingsError(
            f"The folder {describe_unwritable(settings.spool_directory, error)}."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(settings.spool_directory, ignore_errors=True)
