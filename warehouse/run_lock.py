"""One run at a time: an advisory lock on a connection of its own.

In: settings. Out: the connection that holds the lock until it closes. The server frees the
lock when the connection ends, however the process dies.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from warehouse.database import connect
from warehouse.errors import BusyError
from warehouse.settings import Settings

LOADER_APPLICATION = "listenhouse-loader"
"""How the sessions of dlt call themselves."""

# "listenho" as a big-endian integer: a number that no other program picks by chance
_LOCK_KEY = int.from_bytes(b"listenho", "big")


@contextmanager
def hold_run_lock(settings: Settings) -> Iterator[psycopg.Connection]:
    """Holds the lock of the warehouse for the time of a run.

    Args:
        settings: Which warehouse.

    Yields:
        The connection that holds the lock. What is committed through it is committed by the
        run that holds the lock, or not at all.

    Raises:
        BusyError: Another run holds it; says who.
        DatabaseError: The database cannot be reached.
    """
    name = f"listenhouse run pid {os.getpid()} on {socket.gethostname()}"
    with connect(settings, name[:63]) as connection:
        row = connection.execute("select pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone()
        if row is None or not row[0]:
            raise BusyError(
                f"Another run is under way ({_describe_holder(connection)}): wait for it to end, "
                "then run again."
            )
        # A session can outlive its killed client and finish a merge that nobody waits for.
        connection.execute(
            """
            select pg_terminate_backend(pid, 10000)
            from pg_stat_activity
            where application_name = %s
                and datname = current_database()
                and usename = current_user
            """,
            (LOADER_APPLICATION,),
        )
        yield connection


def _describe_holder(connection: psycopg.Connection) -> str:
    row = connection.execute(
        """
        select activity.application_name, activity.backend_start::timestamptz(0)
        from pg_locks as locks
        inner join pg_stat_activity as activity on locks.pid = activity.pid
        where locks.locktype = 'advisory'
            and locks.granted
            and locks.database = activity.datid
            and activity.datname = current_database()
            and (locks.classid::bigint << 32) | locks.objid::bigint = %s
        """,
        (_LOCK_KEY,),
    ).fetchone()
    # it may have ended between the two questions
    return f"{row[0]}, since {row[1]}" if row else "it just ended"
