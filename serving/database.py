"""Reading the database: a pool of read-only sessions, and every wait has an end.

In: settings, statements. Out: rows, or a problem that says whether to come back. A server that
ended or hangs costs a request some seconds at most; when it is back, so are its answers.
"""

from __future__ import annotations

import logging
import os
import socket
from asyncio import get_running_loop
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from serving.problems import NOT_READY, UNAVAILABLE, ProblemError
from warehouse.database import describe, session_parameters
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_SESSIONS = 8
"""At most, per process; a query takes a millisecond of one."""

_MAX_WAITING = 200
"""Requests that wait for a session; those beyond are refused at once."""

_WAIT_SECONDS = 1.5
_ANSWER_SECONDS = 3.0
_CONNECT_SECONDS = 3
# the pool tries after 1 and 3 s, then anew when it is asked: a server that is back is soon found
_RECONNECT_SECONDS = 3.0

_SESSION = {
    "default_transaction_read_only": "on",
    "statement_timeout": "2s",
    # compiling costs more than queries of a millisecond can gain
    "jit": "off",
}

_logger = get_logger(__name__)
# it says at each try what we say when it begins and ends
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Database:
    """The database, as the API reads it."""

    def __init__(self, settings: Settings) -> None:
        parameters = session_parameters(settings, "listenhouse serve", _SESSION) | {
            "connect_timeout": str(_CONNECT_SECONDS),
            # a server that is gone without a word is noticed in half a minute
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
        }
        self._pool = AsyncConnectionPool(
            make_conninfo(**parameters),
            kwargs={"autocommit": True},
            min_size=1,
            max_size=_SESSIONS,
            max_waiting=_MAX_WAITING,
            reconnect_timeout=_RECONNECT_SECONDS,
            open=False,
        )
        self._name = describe(settings)
        self._complaint: str | None = None

    async def open(self) -> None:
        """Begins to connect; a database that does not answer yet is no error."""
        await self._pool.open()

    async def close(self) -> None:
        """Ends the sessions."""
        await self._pool.close()

    async def read(
        self, statement: LiteralString, parameters: Mapping[str, object]
    ) -> list[dict[str, Any]]:
        """Runs one statement, which sees one state of the database.

        Args:
            statement: What to run.
            parameters: Its values.

        Raises:
            ProblemError: The database does not answer, or its tables are not there yet.
        """
        deadline = monotonic() + _ANSWER_SECONDS
        while True:
            broken = False
            try:
                async with self._pool.connection(_WAIT_SECONDS) as connection:
                    try:
                        rows = await _execute(connection, statement, parameters, deadline)
                    finally:
                        broken = connection.closed
            except (
                errors.UndefinedTable,
                # of a version that has them with the next lists
                errors.UndefinedColumn,
                errors.InvalidSchemaName,
            ) as error:
                self._complain(error)
                raise ProblemError(NOT_READY, NOT_READY.example) from error
            except (psycopg.OperationalError, errors.InsufficientPrivilege) as error:
                # the server ended sessions that lay idle, as a restart does: there may be others
                if broken and monotonic() < deadline:
                    continue
                self._complain(error)
                busy = isinstance(error, PoolTimeout | TooManyRequests)
                detail = "too busy, or away" if busy else "not answering in time"
                raise ProblemError(
                    UNAVAILABLE, f"The database is {detail}; ask again in a moment."
                ) from error
            self._complain(None)
            return rows

    def _complain(self, error: Exception | None) -> None:
        """Says what is wrong when it begins, and that it is over: requests come by the hundred."""
        kind = type(error).__name__ if error else None
        if kind == self._complaint:
            return
        self._complaint = kind
        if error:
            cause = str(error).strip().split("\n")[0]
            _logger.warning("database not read", database=self._name, cause=cause)
        else:
            _logger.warning("database read again", database=self._name)


async def _execute(
    connection: AsyncConnection,
    statement: LiteralString,
    parameters: Mapping[str, object],
    deadline: float,
) -> list[dict[str, Any]]:
    # the statement's own timeout is the server's, which may hang as a whole
    hanging_up = get_running_loop().call_later(
        max(0.0, deadline - monotonic()), _hang_up, connection
    )
    try:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()
    finally:
        hanging_up.cancel()


def _hang_up(connection: AsyncConnection) -> None:
    """Ends a session from this side: what waits for its answer gets an error.

    To cancel the wait would not do: psycopg then asks the server to cancel, and waits for that.
    """
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
