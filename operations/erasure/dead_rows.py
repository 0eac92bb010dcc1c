"""Rows that were deleted and still lie on the disk, where nobody may look at them any more."""

from __future__ import annotations

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from operations.erasure.errors import ErasureError
from operations.erasure.rows import Erasure, tables_by_oid

_LOCK_SECONDS = 1
"""How long a rewrite waits for who uses a table: queries that come later wait behind it."""

_ATTEMPTS = 30
_PAUSE_SECONDS = 2

_LOOK_ATTEMPTS = 10
_LOOK_PAUSE_SECONDS = 0.5
"""Most queries of people are over within seconds."""


def vacuum(lock: psycopg.Connection, erasure: Erasure) -> None:
    """Rewrites tables without their dead rows, and the planner's statistics of them.

    Args:
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
            rewrite(lock, name)
    # frequent and extreme values of every column: what they were is seen by who looked before
    row = lock.execute("select pg_current_xact_id()::text").fetchone()
    refuse_watchers(lock, row[0] if row else erasure.transaction)
    lock.execute("vacuum (full) pg_catalog.pg_statistic")


def rewrite(lock: psycopg.Connection, name: str) -> None:
    """Rewrites a table without its dead rows, at a moment when nobody uses it.

    Args:
        lock: Connection that holds the run's lock.
        name: Schema and table.

    Raises:
        ErasureError: The table was in use for a minute and a half.
    """
    schema, _, table = name.partition(".")
    statement = sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(schema, table))
    lock.execute(sql.SQL("set lock_timeout = {}").format(sql.Literal(f"{_LOCK_SECONDS}s")))
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_fixed(_PAUSE_SECONDS),
            reraise=True,
        ):
            with attempt:
                lock.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        raise ErasureError(
            f"The rows are deleted, but {name} is in use without a pause, and PostgreSQL keeps "
            "them on the disk until it is rewritten: run this again when nobody queries it."
        ) from error
    finally:
        lock.execute("reset lock_timeout")


def refuse_watchers(lock: psycopg.Connection, transaction: str) -> None:
    """Waits a moment for who may still look at rows that a transaction deleted.

    Raises:
        ErasureError: Somebody goes on looking; says who.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(ErasureError),
        stop=stop_after_attempt(_LOOK_ATTEMPTS),
        wait=wait_fixed(_LOOK_PAUSE_SECONDS),
        reraise=True,
    ):
        with attempt:
            _refuse_watchers(lock, transaction)


def _refuse_watchers(lock: psycopg.Connection, transaction: str) -> None:
    row = lock.execute(
        """
        with horizon as (select %s::xid as xid)
        -- what sessions of other logins do is not shown to everybody; this much is
        select format(
            'the session %%s (pid %%s)', coalesce(nullif(application_name, ''), usename), pid
        )
        from pg_stat_activity, horizon
        where
            coalesce(datname, current_database()) = current_database()
            and usesysid is not null
            and pid <> pg_backend_pid()
            and age(backend_xmin) >= age(horizon.xid)
        union all
        select format('the prepared transaction %%s', gid)
        from pg_prepared_xacts, horizon
        where database = current_database() and age(transaction) >= age(horizon.xid)
        union all
        select format('the replication slot %%s', slot_name)
        from pg_replication_slots, horizon
        where age(xmin) >= age(horizon.xid)
        """,
        (str(int(transaction) % 2**32),),
    ).fetchone()
    if row:
        raise ErasureError(
            f"The rows are deleted, but {row[0]} has looked at the database since before that, and "
            "PostgreSQL keeps them on the disk for it: end it, and run this again."
        )
