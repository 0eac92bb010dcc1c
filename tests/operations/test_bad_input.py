"""What a person can get wrong: one clear line, an exit code, and nothing changed."""

from __future__ import annotations

import socket
from pathlib import Path

import psycopg
import pytest

from tests.commands import run_command
from tests.conftest import free_port
from tests.dbt_project.warehouse_build import Warehouse
from tests.ingestion.scripted_api import Answer, ScriptedApi, serve

LOAD = ("dlt", "pipeline", "listen_history", "run")


@pytest.fixture
def environment(tmp_path: Path, database_url: str) -> dict[str, str]:
    """A working environment, but for what a test breaks."""
    return {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_DATABASE_URL": database_url,
        "LISTENHOUSE_API_URL": f"http://127.0.0.1:{free_port()}",
        "LISTENHOUSE_REQUEST_ATTEMPTS": "2",
    }


def refusal(*command: str, environment: dict[str, str], exit_code: int = 1) -> str:
    """Runs a command that must fail in one line; returns the line."""
    outcome = run_command(*command, environment=environment)
    assert outcome.returncode == exit_code, outcome.stdout + outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if line.strip() and "retry " not in line]
    assert "Traceback" not in outcome.stderr
    assert len(lines) == 1, outcome.stderr
    return lines[0]


def assert_unchanged(connection: psycopg.Connection) -> None:
    query = "select nspname from pg_namespace where nspname like 'raw%' or nspname = 'staging'"
    assert connection.execute(query).fetchall() == []


def test_an_api_that_is_not_there(
    environment: dict[str, str], connection: psycopg.Connection
) -> None:
    line = refusal(*LOAD, environment=environment)

    assert f"{environment['LISTENHOUSE_API_URL']} cannot be reached for /users page 1" in line
    assert "connection refused" in line
    assert "LISTENHOUSE_API_URL" in line
    assert_unchanged(connection)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(b"<html>Welcome</html>"), "something that is not JSON"),
        (Answer(b"not here", 404), "status 404"),
        (Answer(b'{"detail": "other"}'), "without a list `items`"),
        (Answer(b'{"items": []}'), "no number `total`"),
    ],
)
def test_an_api_that_is_another(
    environment: dict[str, str], connection: psycopg.Connection, answer: Answer, expected: str
) -> None:
    api = ScriptedApi()
    api.fault = lambda *_: answer
    with serve(api):
        line = refusal(*LOAD, environment=environment | {"LISTENHOUSE_API_URL": api.url})

    assert expected in line
    assert "LISTENHOUSE_API_URL" in line
    assert_unchanged(connection)


def test_a_database_that_is_not_there(environment: dict[str, str]) -> None:
    url = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/music"
    line = refusal(*LOAD, environment=environment | {"LISTENHOUSE_DATABASE_URL": url})

    assert "check LISTENHOUSE_DATABASE_URL and that the server runs" in line
    assert "hunter2" not in line


def test_an_embedded_server_that_is_stopped(environment: dict[str, str]) -> None:
    port = str(free_port())
    stopped = environment | {"LISTENHOUSE_DATABASE_URL": "", "LISTENHOUSE_PORT": port}
    assert "start it with `listenhouse up`" in refusal(*LOAD, environment=stopped)


def test_a_user_who_may_not_create_schemas(
    environment: dict[str, str], connection: psycopg.Connection
) -> None:
    connection.execute("create role visitor login")
    url = environment["LISTENHOUSE_DATABASE_URL"].replace("listenhouse@", "visitor@")
    line = refusal(*LOAD, environment=environment | {"LISTENHOUSE_DATABASE_URL": url})
    connection.execute("drop role visitor")

    assert "visitor may not create schemas" in line
    assert "grant create on database" in line


def test_a_setting_that_is_nonsense(environment: dict[str, str]) -> None:
    nonsense = environment | {"LISTENHOUSE_PORT": "port"}
    assert "LISTENHOUSE_PORT is 'port'" in refusal("listenhouse", "url", environment=nonsense)
    assert "LISTENHOUSE_PORT is 'port'" in refusal(*LOAD, environment=nonsense)


def test_a_port_that_is_taken(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        embedded = environment | {"LISTENHOUSE_DATABASE_URL": "", "LISTENHOUSE_PORT": port}
        line = refusal("listenhouse", "run", environment=embedded)

    assert f"Port {port} on 127.0.0.1 is taken" in line
    assert "export LISTENHOUSE_PORT=" in line


def test_a_half_created_home(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home" / "postgres").mkdir(parents=True)
    embedded = environment | {
        "LISTENHOUSE_DATABASE_URL": "",
        "LISTENHOUSE_PORT": str(free_port()),
    }
    line = refusal("listenhouse", "run", environment=embedded)

    assert "not a complete PostgreSQL data directory" in line
    assert "make clean" in line


def test_a_home_that_cannot_be_written(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = environment | {
        "LISTENHOUSE_HOME": str(tmp_path / "file"),
        "LISTENHOUSE_DATABASE_URL": "",
        "LISTENHOUSE_PORT": str(free_port()),
    }
    assert "LISTENHOUSE_HOME" in refusal("listenhouse", "up", environment=blocked)


def test_another_pipeline_than_ours(environment: dict[str, str]) -> None:
    command = ("dlt", "pipeline", "other", "run")
    assert "dlt pipeline listen_history run" in refusal(*command, environment=environment)


def test_dbt_build_before_any_load(environment: dict[str, str], tmp_path: Path) -> None:
    warehouse = Warehouse(environment["LISTENHOUSE_DATABASE_URL"], tmp_path)
    outcome = warehouse.command("dbt", "build", environment=environment)

    assert outcome.returncode != 0
    assert "There is no load yet" in outcome.stdout
    assert "dlt pipeline listen_history run" in outcome.stdout
    # one message, not one for each of the models
    assert outcome.stdout.count("ERROR") <= 1
    assert "does not exist" not in outcome.stdout


@pytest.mark.parametrize("command", [("listenhouse", "run"), LOAD])
def test_debug_shows_the_traceback(environment: dict[str, str], command: tuple[str, ...]) -> None:
    with_debug = (command[0], "--debug", *command[1:])
    outcome = run_command(*with_debug, environment=environment)

    assert outcome.returncode != 0
    assert "Traceback" in outcome.stderr
