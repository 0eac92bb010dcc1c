"""A lock lasts as long as its session, and is written down where others cannot write."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from psycopg import sql

from warehouse.errors import DatabaseError
from warehouse.session_lock import CHECK_LOCK, RUN_LOCK, Holder, SessionLock, take

KEY = int.from_bytes(b"listenho", "big")
"""What was the key of every warehouse."""


def session(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, application_name="a run")


def test_one_session_holds_it_until_it_ends_or_gives_it_up(database_url: str) -> None:
    with session(database_url) as one, session(database_url) as other:
        lock = take(one, RUN_LOCK)
        assert isinstance(lock, SessionLock)
        holder = take(other, RUN_LOCK)
        assert isinstance(holder, Holder)
        assert str(holder).startswith("a run, as listenhouse, since 20")
        assert isinstance(take(other, CHECK_LOCK), SessionLock)
        lock.release()
        assert isinstance(take(other, RUN_LOCK), SessionLock)
        assert isinstance(take(one, RUN_LOCK), Holder)
        one.execute("select pg_terminate_backend(%s, 5000)", (other.info.backend_pid,))
        assert isinstance(take(one, RUN_LOCK), SessionLock)


def test_of_many_at_once_one_gets_it(database_url: str, connection: psycopg.Connection) -> None:
    together = Barrier(6)

    def take_together(connection: psycopg.Connection) -> bool:
        together.wait()
        return isinstance(take(connection, RUN_LOCK), SessionLock)

    with ThreadPoolExecutor(6) as threads:
        for _ in range(8):
            # neither its table nor the schema is there yet
            connections = [session(database_url) for _ in range(6)]
            assert list(threads.map(take_together, connections)).count(True) == 1
            for one in connections:
                one.close()
            connection.execute("drop schema ops cascade")


def test_nobody_else_can_take_it_or_feign_that_it_is_held(
    database_url: str, connection: psycopg.Connection
) -> None:
    connection.execute("create role stranger login")
    try:
        with session(database_url.replace("listenhouse@", "stranger@")) as stranger:
            with pytest.raises(DatabaseError, match="stranger may not create schemas"):
                take(stranger, RUN_LOCK)
            # what stopped every run
            stranger.execute("select pg_advisory_lock(%s)", (KEY,))
            with session(database_url) as owner:
                lock = take(owner, RUN_LOCK)
                assert isinstance(lock, SessionLock)
            connection.execute("grant usage on schema ops to stranger")
            with pytest.raises(DatabaseError, match="listenhouse grant loader stranger"):
                take(stranger, RUN_LOCK)
            # it saw the key while it was held, and has even the process that held it
            stranger.execute("select pg_advisory_lock(%s)", (lock.key,))
            connection.execute(
                sql.SQL("update ops.run_lock set pid = {}").format(stranger.info.backend_pid)
            )
            assert isinstance(take(connection, RUN_LOCK), SessionLock)
    finally:
        connection.execute("drop owned by stranger; drop role stranger")
