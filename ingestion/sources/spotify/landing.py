"""One import: land each event of an export that is not there yet.

In: settings, the files of an export and whose it is. Out: rows of `raw_spotify` and a report. dlt
merges the events in one transaction, so that an import that dies has landed all of them or none,
and to run it again is harmless.

What is imported becomes part of the marts with the next crawl: everything there is as of one
moment, that of the last committed crawl (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from ingestion.endpoint import Endpoint
from ingestion.landing.crawl_ledger import next_boundary
from ingestion.landing.pipeline import landing_pipeline, run_pipeline
from ingestion.landing.quarantine import create_rejected_records, record_rejections
from ingestion.landing.tombstones import read_tombstones
from ingestion.sources import moovitamix
from ingestion.sources.spotify import (
    ENDPOINTS,
    LANDING_SCHEMA,
    PIPELINE,
    rejected_of,
    spotify_export,
)
from ingestion.sources.spotify.export import ExportFile
from ingestion.sources.spotify.history import History
from ingestion.sources.spotify.listens import NO_TRACK, TOO_SHORT
from warehouse.database import create_schema, table_exists
from warehouse.errors import LandingError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)


@dataclass(frozen=True)
class ImportReport:
    """What an import did with the events of one kind.

    Attributes:
        table: Where they land.
        files: Files read.
        events: Records in them, equal ones counted each time.
        new: Events that were landed.
        rejected: Records that do not fit, in `raw_spotify.rejected_records`.
        trackless: Different events that say no track: an episode, a book, a file of their own
            without a name.
        short: Different events of a track that was played too shortly to count.
    """

    table: str
    files: int
    events: int
    new: int
    rejected: int = 0
    trackless: int = 0
    short: int = 0


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
) -> list[ImportReport]:
    """Imports the files of an export.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        files: All of them: they are read before any is landed, so that one that is none lands
            nothing.
        user_id: Whose it is, as the marts are to name them: new exports do not say.
        is_whole: Whether a record that did not fit, and is not in them, is mended.

    Returns:
        What was landed of each kind of event that is in them.

    Raises:
        ClockError: A clock is ahead; nothing was landed.
        LandingError: dlt failed; nothing was landed.
    """
    create_schema(lock, LANDING_SCHEMA)
    # later than any crawl, also where the clock jumped back: builds look for what is new by time
    names = [endpoint.name for endpoint in moovitamix.ENDPOINTS]
    landed_at = next_boundary(lock, moovitamix.LANDING_SCHEMA, names, datetime.now(UTC))
    histories = [
        History(endpoint, [file.page for file in files if file.endpoint is endpoint], user_id)
        for endpoint in ENDPOINTS
        if any(file.endpoint is endpoint for file in files)
    ]
    before = [_count(lock, history.endpoint) for history in histories]
    pipeline = landing_pipeline(settings, PIPELINE, LANDING_SCHEMA)
    run_pipeline(pipeline, spotify_export(histories, landed_at))
    with lock.transaction():
        create_rejected_records(lock, LANDING_SCHEMA)
        # of this person: an export of another one mends nothing
        record_rejections(
            lock,
            LANDING_SCHEMA,
            {rejected_of(history.endpoint, user_id): history.rejected for history in histories},
            landed_at,
            is_whole=is_whole,
        )
    reports = [
        ImportReport(
            table=f"{LANDING_SCHEMA}.{history.endpoint.name}",
            files=len(history.pages),
            events=sum(page.row_count for page in history.pages),
            new=_count(lock, history.endpoint) - count,
            rejected=len(history.rejected),
            trackless=history.reasons[NO_TRACK],
            short=history.reasons[TOO_SHORT],
        )
        for history, count in zip(histories, before, strict=True)
    ]
    for report in reports:
        _logger.info(
            "imported",
            table=report.table,
            file_count=report.files,
            event_count=report.events,
            new_count=report.new,
            rejected_count=report.rejected,
        )
    return reports


def _count(connection: psycopg.Connection, endpoint: Endpoint) -> int:
    if not table_exists(connection, LANDING_SCHEMA, endpoint.name):
        return 0
    row = connection.execute(
        sql.SQL("select count(*) from {}").format(sql.Identifier(LANDING_SCHEMA, endpoint.name))
    ).fetchone()
    return int(row[0]) if row else 0
