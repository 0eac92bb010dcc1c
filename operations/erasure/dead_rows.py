"""Rows that were deleted and still lie on the disk, where nobody may look at them any more."""

from __future__ import annotations

import psycopg
from psycopg import sql

from operations.erasure.errors import ErasureError
from operations.erasure.rows import Erasure, tables_by_oid


def vacuum(lock: psycopg.Connection, erasure: Erasure) -> None:
    """Rewrites tables without their dead rows, and the planner's statistics of them.

    Args:
        lock: Connection that holds the run's lock.
        erasure: What was erased.

    Raises:
        ErasureError: Somebody may still look at the dead rows, so they cannot go.
    """
    refuse_watchers(lock, erasure.transaction)
    for oid, name in tables_by_oid(lock, list(erasure.tables.values())):
        # one that dbt has replaced since has no dead rows
        if oid in erasure.tables:
            schema, _, table = name.partition(".")
            lock.execute(sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(schema, table)))
    # frequent and extreme values of every column
    lock.execute("vacuum (full) pg_catalog.pg_statistic")


def refuse_watchers(lock: psycopg.Connection, transaction: str) -> None:
    """Raises where somebody may still look at rows that a transaction deleted."""
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
