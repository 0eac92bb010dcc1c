"""The end of an erasure: nothing is left, and what was sought is let go."""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.landing.tombstones import ERASURES, mark, read_key, read_tombstones
from ingestion.sources.catalogue import Source
from operations.erasure.dead_rows import rewrite
from operations.erasure.person import Person
from operations.erasure.waiting import refuse_watchers
from warehouse.foreign_code import hold_tables_still
from warehouse.settings import Settings


def is_forgotten(
    connection: psycopg.Connection, settings: Settings, source: Source, person_id: str
) -> bool:
    """Whether a person has a tombstone.

    Raises:
        LandingError: The key is not the one that tombstones were made with.
    """
    tombstones = read_tombstones(connection, settings, source.schema)
    return tombstones is not None and tombstones.cover(person_id)


def complete(lock: psycopg.Connection, settings: Settings, person: Person) -> None:
    """Notes that nothing is left, and lets go what was sought.

    Args:
        lock: Connection that holds the run's lock.
        settings: Where the key of the tombstones is.
        person: Who is forgotten.

    Raises:
        ErasureError: Somebody may still look at what was sought.
    """
    erasures = sql.Identifier(person.source.schema, ERASURES)
    tombstone = mark(read_key(settings) or b"", person.id)
    with lock.transaction():
        hold_tables_still(lock)
        row = lock.execute(
            sql.SQL(
                """
                update {} set sought = null where tombstone = %s
                returning pg_current_xact_id()::text
                """
            ).format(erasures),
            (tombstone,),
        ).fetchone()
    if row:
        refuse_watchers(lock, row[0])
    rewrite(settings, lock, f"{person.source.schema}.{ERASURES}")
    with lock.transaction():
        hold_tables_still(lock)
        lock.execute(
            sql.SQL("update {} set completed_at = clock_timestamp() where tombstone = %s").format(
                erasures
            ),
            (tombstone,),
        )
