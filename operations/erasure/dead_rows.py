"""Rows that were deleted and still lie on the disk, where nobody may look at them any more."""

from __future__ import annotations

import psycopg
from psycopg import sql

from operations.erasure.errors import ErasureError
from operations.erasure.rows import Erasure, tables_by_oid
from operations.erasure.table_copy import replace_with_copy
from operations.erasure.waiting import for_a_free_moment, refuse_watchers
from warehouse.settings import Settings

_LOCK_SECONDS = 1
"""How long `vacuum full` waits for who uses a table: queries that come later wait behind it."""


def vacuum(settings: Settings, lock: psycopg.Connection, erasure: Erasure) -> None:
    """Rewrites tables without their dead rows, and the planner's statistics of them.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        erasure: What was erased.

    Raises:
        ErasureError: Somebody may still look at the dead rows, or uses a table all the time, so
            they cannot go.
    """
    refuse_watchers(lock, erasure.transaction)
    for oid, name in tables_by_oid(lock, list(erasure.tables.values())):
        # one that dbt has replaced since has no dead rows
        if oid in erasure.tables:
            rewrite(settings, lock, name)
    # frequent and extreme values of every column: what they were is seen by who looked before
    row = lock.execute("select pg_current_xact_id()::text").fetchone()
    refuse_watchers(lock, row[0] if row else erasure.transaction)
    lock.execute("vacuum (full) pg_catalog.pg_statistic")


def rewrite(settings: Settings, lock: psycopg.Connection, name: str) -> None:
    """Rewrites a table without its dead rows, beside those who read it where that can be.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        name: Schema and table.

    Raises:
        ErasureError: The table was in use for more than a minute.
    """
    schema, _, table = name.partition(".")
    try:
        if replace_with_copy(settings, lock, schema, table):
            return
        statement = sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(schema, table))
        lock.execute(sql.SQL("set lock_timeout = {}").format(sql.Literal(f"{_LOCK_SECONDS}s")))
        for attempt in for_a_free_moment(2 * _LOCK_SECONDS):
            with attempt:
                lock.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        raise ErasureError(
            f"The rows are deleted, but {name} is in use without a pause, and PostgreSQL keeps "
            "them on the disk until it is rewritten: run this again when nobody queries it."
        ) from error
    finally:
        lock.execute("reset lock_timeout")
