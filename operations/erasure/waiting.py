"""Waiting for who uses a table, or may still look at rows that were deleted."""

from __future__ import annotations

import psycopg
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from operations.erasure.errors import ErasureError

_PATIENCE_SECONDS = 60

_LOOK_ATTEMPTS = 10
_LOOK_PAUSE_SECONDS = 0.5
"""Most queries of people are over within seconds."""


def for_a_free_moment(pause_seconds: float) -> Retrying:
    """Tries again for a minute while somebody uses a table or looks at what was in it.

    Args:
        pause_seconds: Between two attempts.
    """
    return Retrying(
        retry=retry_if_exception_type((psycopg.errors.LockNotAvailable, ErasureError)),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_fixed(pause_seconds),
        reraise=True,
    )


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
            refuse_watchers_now(lock, transaction)


def refuse_watchers_now(lock: psycopg.Connection, transaction: str) -> None:
    """Raises where somebody looks at rows that a transaction deleted, or not yet at what it wrote.

    Raises:
        ErasureError: Says who.
    """
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
