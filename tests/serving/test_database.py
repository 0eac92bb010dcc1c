"""The database as the API reads it: never written to, and away or hung for some seconds at most."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import httpx
import psycopg
import pytest
from psycopg import errors

from operations.roles import grant, grant_login
from operations.services import embedded_postgres
from serving.database import Database
from tests.conftest import free_port
from tests.roles import roles_dropped
from tests.serving.answers import LIST, REQUEST, problem, tracks
from tests.serving.conftest import address_of, create_marts, fill, locked, serving, settings_for
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

# what a request may take when the database does not answer: 3 s, and those of a busy machine
PATIENCE = 8.0

OPTIONS = {"fsync": "off", "synchronous_commit": "off"}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A server of its own, with lists in it, that can be stopped; each test leaves it running."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), embedded_port=free_port())
    embedded_postgres.start(settings, OPTIONS)
    with psycopg.connect(settings.database_url) as connection:
        fill(connection)
    yield settings
    embedded_postgres.stop(settings)


def test_a_database_that_ends_is_503_and_recovers_by_itself(embedded: Settings) -> None:
    with serving(embedded) as client:
        expected = client.get(LIST).json()
        embedded_postgres.stop(embedded)
        for path in (LIST, "/v1/popular", "/readyz"):
            begin = time.monotonic()
            response = client.get(path, timeout=30)
            assert time.monotonic() - begin < PATIENCE
            problem(response, 503, "database-unavailable")
            assert int(response.headers["retry-after"]) > 0
        assert client.get("/healthz").json() == {"status": "alive"}

        embedded_postgres.start(embedded, OPTIONS)
        assert once_ready(client).json() == expected
        assert all(client.get(LIST).json() == expected for _ in range(20))
        assert client.get("/readyz").status_code == 200


def test_a_restart_that_nobody_waited_for_costs_no_answer(embedded: Settings) -> None:
    with serving(embedded) as client:
        ask_at_once(client, 20)
        embedded_postgres.stop(embedded)
        embedded_postgres.start(embedded, OPTIONS)
        # every session of before is broken; each answer finds one that is not
        assert all(client.get(LIST, timeout=30).status_code == 200 for _ in range(20))


def test_an_api_that_starts_before_its_database_serves_when_that_is_there(
    embedded: Settings,
) -> None:
    embedded_postgres.stop(embedded)
    with serving(embedded) as client:
        problem(client.get("/readyz", timeout=30), 503, "database-unavailable")
        embedded_postgres.start(embedded, OPTIONS)
        assert once_ready(client).status_code == 200


def test_a_session_that_hangs_is_given_up(
    database_url: str, connection: psycopg.Connection
) -> None:
    fill(connection)
    with serving(settings_for(database_url)) as client:
        client.get(LIST)
        sessions = api_sessions(connection)
        for session in sessions:
            os.kill(session, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            problem(client.get(LIST, timeout=30), 503, "database-unavailable")
            assert time.monotonic() - begin < PATIENCE
            assert client.get(LIST, timeout=30).status_code == 200
            assert not set(api_sessions(connection, "active")) - set(sessions)
        finally:
            for session in sessions:
                os.kill(session, signal.SIGCONT)


def test_a_query_that_waits_for_a_lock_ends(
    database_url: str, connection: psycopg.Connection
) -> None:
    fill(connection)
    with serving(settings_for(database_url)) as client:
        with locked(connection):
            begin = time.monotonic()
            problem(client.get(LIST, timeout=30), 503, "database-unavailable")
            assert time.monotonic() - begin < PATIENCE
        assert client.get(LIST).status_code == 200


def test_clients_that_leave_and_crowds_leave_the_api_as_it_was(
    database_url: str, connection: psycopg.Connection
) -> None:
    fill(connection)
    with serving(settings_for(database_url)) as client:
        with locked(connection):
            for _ in range(30):
                with socket.create_connection(address_of(client)) as end:
                    end.sendall(REQUEST)
            # many more than there are sessions for: some are refused at once, none hangs
            assert ask_at_once(client, 230) == {503}
        once_ready(client)
        assert ask_at_once(client, 20) == {200}


def test_sessions_only_read_and_have_little_time(listed: str) -> None:
    assert ask(listed, "show default_transaction_read_only") == "on"
    assert ask(listed, "show statement_timeout") == "2s"
    with pytest.raises(errors.ReadOnlySqlTransaction):
        ask(listed, "create table marts.mine ()")


def test_options_in_the_url_are_kept(listed: str) -> None:
    url = f"{listed}?options=-c%20work_mem%3D7MB"
    assert ask(url, "show work_mem") == "7MB"
    assert ask(url, "show default_transaction_read_only") == "on"


def test_a_login_with_the_rights_of_the_documentation_reads_lists_and_nothing_else(
    database_url: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    fill(connection)
    connection.execute("create schema staging; create table staging.users (email text)")
    connection.execute("create table marts.fct_listens (user_id text)")
    statements = re.findall(
        r"```sql\n(create role.*?)```", (PROJECT_ROOT / "docs/serving.md").read_text(), re.DOTALL
    )[0]
    with roles_dropped(database_url.rpartition("/")[0], "listenhouse_api"):
        connection.execute(statements.encode())
        with hold_run_lock(settings_for(database_url).but(home=tmp_path)) as lock:
            grant(settings_for(database_url), lock)
            grant_login(settings_for(database_url), lock, "api_reader", "listenhouse_api")
        own = database_url.replace("//listenhouse@", "//listenhouse_api@")
        settings = settings_for(database_url).but(external_database_url=own)
        with serving(settings) as client:
            assert len(tracks(client.get(LIST))) == 3
            assert client.get("/v1/popular").status_code == 200
            # dbt puts a new table in the place of the old one
            connection.execute(
                "drop table marts.dim_users, marts.dim_tracks, marts.rpt_track_features"
            )
            create_marts(connection)
            problem(client.get(LIST), 404, "unknown-user")
        with psycopg.connect(own, autocommit=True) as session:
            session.execute("set default_transaction_read_only = off")
            for statement in (
                "select from staging.users",
                "delete from recommendations.batches",
                "update marts.dim_users set is_deleted = true",
                "create table marts.mine ()",
                "create table public.mine ()",
                "create schema mine",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    session.execute(statement.encode())


def test_a_right_that_is_missing_is_said_once(
    database_url: str, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    fill(connection)
    connection.execute("create role mere login")
    try:
        own = database_url.replace("//listenhouse@", "//mere@")
        with serving(settings_for(own)) as client:
            for _ in range(3):
                problem(client.get(LIST), 503, "database-unavailable")
        warnings = [record for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1
        assert "permission denied for schema" in str(warnings[0].msg)
    finally:
        connection.execute("drop role mere")


def once_ready(client: httpx.Client) -> httpx.Response:
    """The first answer that is not 503."""
    deadline = time.monotonic() + 30
    while (response := client.get(LIST, timeout=30)).status_code == 503:
        assert time.monotonic() < deadline
    return response


def ask(url: str, statement: LiteralString) -> str:
    """The first value of a statement, in a session of the API's."""

    async def read() -> str:
        database = Database(settings_for(url))
        await database.open()
        try:
            ((value,),) = [row.values() for row in await database.read(statement, {})]
            return str(value)
        finally:
            await database.close()

    return asyncio.run(read())


def ask_at_once(client: httpx.Client, number: int) -> set[int]:
    """What a number of requests at the same time are answered with."""

    async def get() -> int:
        reader, writer = await asyncio.open_connection(*address_of(client))
        writer.write(REQUEST)
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    async def get_all() -> set[int]:
        return set(await asyncio.gather(*(get() for _ in range(number))))

    return asyncio.run(get_all())


def api_sessions(connection: psycopg.Connection, state: str = "idle") -> list[int]:
    """Process ids of the API's sessions in this state."""
    rows = connection.execute(
        """
        select pid from pg_stat_activity
        where
            application_name = 'listenhouse serve'
            and state = %s
            and datname = current_database()
        """,
        (state,),
    )
    return [pid for (pid,) in rows]
