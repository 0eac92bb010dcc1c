"""One run at a time: a lock on a connection of its own, and one on the disk.

In: settings. Out: the connection that holds the lock until it closes. The server frees the
lock when the connection ends, the operating system that of the disk, however the process dies.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import fasteners
import psycopg

from warehouse.database import connect, explain_failure
from warehouse.errors import BusyError, DatabaseError, SettingsError, describe_unwritable
from warehouse.foreign_code import refuse_foreign_code
from warehouse.session_lock import RUN_LOCK, Holder, take
from warehouse.settings import Settings

LOADER_APPLICATION = "listenhouse-loader"
"""How the sessions of dlt call themselves."""


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
        DatabaseError: The database cannot be reached, would end a run, or fails during it, or the
            user may not run anything, or would run what others wrote.
    """
    name = f"listenhouse run pid {os.getpid()} on {socket.gethostname()}"
    with _hold_home(settings), connect(settings, name[:63]) as connection:
        _refuse_time_limit(connection)
        refuse_foreign_code(connection)
        # a policy that hides rows is an error, and no reason to pass them over
        connection.execute("set row_security = off")
        lock = take(connection, RUN_LOCK)
        if isinstance(lock, Holder):
            raise BusyError(
                f"Another run is under way ({lock}): wait for it to end, then run again."
            )
        # A session can outlive its killed client and finish a merge that nobody waits for.
        with connection.transaction():
            # a login that acts as a group role may end its own sessions, and the group may not
            connection.execute("set local role none")
            ended = connection.execute(
                """
                select pg_terminate_backend(pid, 10000)
                from pg_stat_activity
                where application_name = %s
                    and datname = current_database()
                    and usename = session_user
                """,
                (LOADER_APPLICATION,),
            ).fetchall()
        if not all(is_ended for (is_ended,) in ended):
            raise BusyError(
                "A merge of a run that died is still under way on the server: wait for it to end, "
                "then run again."
            )
        try:
            yield connection
        except psycopg.Error as error:
            raise explain_failure(settings, error) from error
        finally:
            # a busy server ends the session some time after we close it; the next run need
            # not wait for that
            with suppress(psycopg.Error):
                lock.release()


def _refuse_time_limit(connection: psycopg.Connection) -> None:
    """Refuses a login whose merges the server would end.

    It is not pinned as others are: servers before 17 refuse sessions that name it.
    """
    row = connection.execute(
        "select current_setting('transaction_timeout', true), session_user, current_database()"
    ).fetchone()
    if row and row[0] not in (None, "0"):
        raise DatabaseError(
            f"PostgreSQL ends the transactions of the user {row[1]} after {row[0]} "
            "(transaction_timeout), and a load or a build can take longer: run `alter role "
            f'"{row[1]}" in database "{row[2]}" set transaction_timeout = 0`.'
        )


@contextmanager
def _hold_home(settings: Settings) -> Iterator[None]:
    """Keeps runs into other databases off the same state on disk, dlt's and the spool."""
    lock = fasteners.InterProcessLock(settings.home / "run.lock")
    try:
        is_ours = lock.acquire(blocking=False)
    except OSError as error:
        raise SettingsError(f"The folder {describe_unwritable(settings.home, error)}.") from error
    if not is_ours:
        raise BusyError(
            f"Another run is under way with the state in {settings.home}: wait for it to end, or "
            "give this one a folder of its own with LISTENHOUSE_HOME."
        )
    try:
        yield
    finally:
        lock.release()
