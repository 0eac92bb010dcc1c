"""`listenhouse serve`, as a person or a service manager runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from operations.services import api_server
from operations.services.api_server import make_app
from tests.commands import run_command
from tests.conftest import free_port
from tests.serving.answers import LIST, REQUEST, problem
from tests.serving.conftest import address_of, fill, locked, running
from warehouse.errors import ApiServerError
from warehouse.settings import PROJECT_ROOT, Settings

COMMAND = str(Path(sys.executable).parent / "listenhouse")


@contextmanager
def serve(
    settings: Settings, *options: str, **environment: str
) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """Runs the command; yields a client and the process, which is ended when it has not."""
    port = free_port()
    process = subprocess.Popen(
        [COMMAND, "serve", *options],
        cwd=PROJECT_ROOT,
        env=os.environ
        | {
            "LISTENHOUSE_HOME": str(settings.home),
            "LISTENHOUSE_DATABASE_URL": settings.database_url,
            "LISTENHOUSE_SERVING_PORT": str(port),
        }
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{port}"
        announcement = process.stdout.readline()
        assert f":{port}, " in announcement, process.communicate(timeout=30)
        # it listens already; the first answer waits for the application
        with httpx.Client(base_url=url, timeout=60) as client:
            yield client, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@pytest.fixture
def filled(settings: Settings, connection: psycopg.Connection) -> Settings:
    fill(connection)
    return settings


def test_told_to_end_it_lets_a_request_end_first(
    filled: Settings, connection: psycopg.Connection
) -> None:
    with serve(filled) as (client, process):
        assert client.get(LIST).status_code == 200
        with socket.create_connection(address_of(client)) as waiting:
            with locked(connection):
                waiting.sendall(REQUEST)
                wait_for_lock(filled.database_url)
                process.send_signal(signal.SIGTERM)
                wait_until_refused(client)
                # whoever does not wait has hung up by then
                connection.execute("select pg_sleep(0.5)")
            assert waiting.makefile("rb").readline().split()[1] == b"200"
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in complaints


def test_ctrl_c_ends_it_without_a_word(filled: Settings) -> None:
    with serve(filled) as (client, process):
        assert client.get("/healthz").status_code == 200
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")


def test_several_processes_count_together_and_end_together(filled: Settings) -> None:
    with serve(filled, "--workers=2") as (client, process):
        # a connection for each request: any of the processes takes it
        client.headers["Connection"] = "close"
        assert {client.get(LIST).status_code for _ in range(30)} == {200}
        assert {count_lists(client) for _ in range(10)} == {30}
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")


def test_without_a_database_it_says_so_and_serves_503_until_there_is_one(
    settings: Settings,
) -> None:
    port = free_port()
    url = f"postgresql://ada:hunter2-secret@127.0.0.1:{port}/music"
    with serve(settings, LISTENHOUSE_DATABASE_URL=url) as (client, process):
        problem(client.get("/readyz"), 503, "database-unavailable")
        problem(client.get("/health"), 503, "no-page")
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
    assert complaints.startswith(f"No connection to the PostgreSQL at 127.0.0.1:{port}/music")
    assert "Until then the answers are 503." in complaints.splitlines()[0]
    assert complaints.count("database not read") == 1
    assert "hunter2" not in complaints


def test_its_own_login_and_keys_are_used_and_told_to_nobody(
    filled: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    connection.execute("create role api_alone login password 'hunter2-secret'")
    connection.execute("grant usage on schema recommendations, marts to api_alone")
    connection.execute("grant select on all tables in schema marts, recommendations to api_alone")
    keys = tmp_path / "keys"
    keys.write_text("first-key-0123456789\nsecond-key-0123456789\n")
    own = filled.database_url.replace("//listenhouse@", "//api_alone:hunter2-secret@")
    environment = {
        "LISTENHOUSE_SERVING_DATABASE_URL": own,
        "LISTENHOUSE_API_KEYS_FILE": str(keys),
        "LISTENHOUSE_LOG_LEVEL": "debug",
    }
    try:
        # with keys the API can be where others reach it
        with serve(filled, "--host=0.0.0.0", **environment) as (client, process):
            for key, status in (("second-key-0123456789", 200), ("third-key-0123456789", 401)):
                assert client.get(LIST, headers={"X-API-Key": key}).status_code == status
            users = connection.execute(
                """
                select distinct usename from pg_stat_activity
                where application_name = 'listenhouse serve' and datname = current_database()
                """
            )
            assert users.fetchall() == [("api_alone",)]
            # nor is the page made by the login of the warehouse
            problem(client.get("/health"), 503, "no-page")
            connection.execute("revoke select on marts.dim_users from api_alone")
            client.headers["X-API-Key"] = "first-key-0123456789"
            problem(client.get(LIST), 503, "database-unavailable")
            process.send_signal(signal.SIGTERM)
            output, complaints = process.communicate(timeout=60)
    finally:
        connection.execute("drop owned by api_alone; drop role api_alone")
    assert "permission denied" in complaints
    assert "listenhouse pages health" in complaints
    for secret in ("hunter2", "-key-"):
        assert secret not in output + complaints


def test_a_page_that_was_written_is_shown_with_the_apis_own_login(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.health_page_file.parent.mkdir(parents=True)
    filled.health_page_file.write_text("<!doctype html>written")
    monkeypatch.setenv("LISTENHOUSE_HOME", str(filled.home))
    monkeypatch.setenv("LISTENHOUSE_SERVING_DATABASE_URL", filled.database_url)
    with running(make_app()) as url:
        assert httpx.get(f"{url}/health").text == "<!doctype html>written"


def test_a_taken_port_is_one_line(filled: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run_command(
            "listenhouse",
            "serve",
            environment={
                "LISTENHOUSE_DATABASE_URL": filled.database_url,
                "LISTENHOUSE_SERVING_PORT": str(port),
            },
        )
    assert outcome.returncode == 1
    assert f"127.0.0.1:{port} (Address already in use)" in outcome.stderr
    assert "LISTENHOUSE_SERVING_PORT" in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])  # noqa: S104 (refused)
def test_without_keys_it_is_not_served_to_other_machines(settings: Settings, host: str) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with pytest.raises(ApiServerError, match=r"without keys: other machines .*_API_KEYS_FILE"):
        api_server.serve(settings, host, free_port(), 1)


def count_lists(client: httpx.Client) -> float:
    """How many lists were asked for, by whichever process answers."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "listenhouse_serving_requests_total"
        and sample.labels["route"] == "/v1/users/{user_id}/recommendations"
    )


def wait_for_lock(url: str) -> None:
    """Until a session of the API waits for a lock."""
    with psycopg.connect(url, autocommit=True) as session:
        waiting = (0,)
        while waiting == (0,):
            found = session.execute(
                "select count(*) from pg_stat_activity"
                " where application_name = 'listenhouse serve' and wait_event_type = 'Lock'"
            ).fetchone()
            assert found is not None
            waiting = found


def wait_until_refused(client: httpx.Client) -> None:
    """Until nobody takes a new connection."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address_of(client)).close()
        except (ConnectionRefusedError, ConnectionResetError):
            # reset: it was still in the queue of the socket when that was closed
            return
    pytest.fail("it still takes connections")
