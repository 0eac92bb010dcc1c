"""The lines that a run leaves: whole, structured, with their context, nothing private in them."""

from __future__ import annotations

import itertools
import json
import logging
import logging.handlers
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from simulator import World, WorldConfig, running
from tests.commands import run_command, start_command
from tests.dbt_project.warehouse_build import Warehouse
from tests.ingestion.scripted_api import Answer, ScriptedApi, history, serve, track, user
from warehouse.run_log import adopt, get_logger, log_to_file
from warehouse.session_lock import RUN_LOCK, SessionLock, take
from warehouse.settings import PROJECT_ROOT, Settings

LOAD = ("python", "-m", "ingestion")


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API with 250 users, a track and a history."""
    scripted = ScriptedApi()
    scripted.records = {
        "users": [user(number) for number in range(1, 251)],
        "tracks": [track(1)],
        "listen_history": [history(1, [1])],
    }
    with serve(scripted):
        yield scripted


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the commands keep their state."""
    return tmp_path / "home"


@pytest.fixture
def environment(home: Path, database_url: str, api: ScriptedApi) -> dict[str, str]:
    """Points the commands at the API and an empty database."""
    return {
        "LISTENHOUSE_HOME": str(home),
        "LISTENHOUSE_DATABASE_URL": database_url,
        "LISTENHOUSE_API_URL": api.url,
    }


def log_files(home: Path) -> list[Path]:
    """The log files of runs, the oldest first; their names tell them apart by the second."""
    return sorted((home / "logs").glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log file, each of which is a JSON object."""
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def find(lines: list[dict[str, Any]], message: str, **fields: object) -> dict[str, Any]:
    """The one line of an event whose fields are these."""
    (line,) = [
        line
        for line in lines
        if line["message"] == message and fields.items() <= line["listenhouse"].items()
    ]
    return line


@pytest.mark.parametrize("command", [LOAD, ("dlt", "pipeline", "listen_history", "run")])
def test_a_load_leaves_a_file_of_lines_that_name_run_step_and_endpoint(
    command: tuple[str, ...],
    environment: dict[str, str],
    home: Path,
    api: ScriptedApi,
    connection: psycopg.Connection,
) -> None:
    api.records["users"] += [user(251, email=7), user(1)]
    run = run_command(*command, environment=environment)
    assert run.returncode == 0, run.stderr

    ((run_id,),) = connection.execute("select run_id::text from ops.runs").fetchall()
    (path,) = log_files(home)
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{run_id[:8]}\.jsonl", path.name)
    lines = read_lines(path)
    for line in lines:
        assert datetime.fromisoformat(line["@timestamp"]).tzinfo == UTC
        assert line["listenhouse"]["run_id"] == run_id
    messages = [line["message"] for line in lines]
    assert messages[:2] == ["run started", "step started"]
    assert messages[-2:] == ["step ended", "run ended"]
    assert {line["listenhouse"].get("step") for line in lines[1:-1]} == {"load"}
    (trouble,) = [line for line in lines if line["log.level"] != "info"]
    assert trouble["message"] == "recrawl"
    assert trouble["listenhouse"]["cause"] == "1 keys came more than once"
    proof = find(lines, "proven complete", endpoint="users")["listenhouse"]
    assert (proof["reported_count"], proof["landed_count"]) == (252, 250)
    assert (proof["duplicates_count"], proof["rejected_count"]) == (1, 1)
    rejected = find(lines, "records rejected")["listenhouse"]
    assert (rejected["endpoint"], rejected["rejected_count"]) == ("users", 1)
    assert rejected["reason"] == "Expected `str | null`, got `int` - at `$.email`"
    assert find(lines, "pages read", endpoint="tracks")["listenhouse"]["request_count"] == 2
    landed = find(lines, "table landed", table_name="users")["listenhouse"]
    assert (landed["opened_count"], landed["closed_count"]) == (250, 0)
    assert find(lines, "committed")["listenhouse"]["crawl_id"] == landed["crawl_id"]
    ended = find(lines, "step ended", step="load")["listenhouse"]
    assert ended["status"] == "succeeded"
    assert ended["cpu_seconds"] > 0


def test_a_retry_is_one_line_with_the_context_of_the_thread_that_read_the_page(
    environment: dict[str, str], home: Path, api: ScriptedApi
) -> None:
    api.fault = lambda _api, endpoint, page, call: (
        Answer(b"down", 503) if (endpoint, page, call) == ("users", 2, 1) else None
    )
    run = run_command(*LOAD, environment=environment)

    assert run.returncode == 0
    (line,) = [line for line in read_lines(log_files(home)[0]) if line["log.level"] != "info"]
    assert line["message"] == "retry"
    assert line["process.thread.name"].startswith("crawl-users")
    ours = line["listenhouse"]
    assert (ours["step"], ours["endpoint"], ours["page"]) == ("load", "users", 2)
    assert (ours["cause"], ours["attempt"]) == ("status 503", 1)
    # on the terminal the same, for people
    assert re.fullmatch(
        r'WARNING retry endpoint=users page=2 cause="status 503" attempt=1 most_attempts=6'
        rf" wait_seconds=\d\.\d step=load run_id={ours['run_id'][:8]}\n",
        run.stderr,
    )


def test_the_terminal_speaks_json_where_told_to_and_libraries_lines_have_their_context(
    environment: dict[str, str],
) -> None:
    chatty = environment | {"LISTENHOUSE_LOG_FORMAT": "json", "LISTENHOUSE_LOG_LEVEL": "debug"}
    run = run_command(*LOAD, environment=chatty)

    lines = [json.loads(line) for line in run.stderr.splitlines()]
    requested = {
        (line["listenhouse"]["step"], line["listenhouse"]["endpoint"], line["listenhouse"]["page"])
        for line in lines
        if line["log.logger"] == "urllib3.connectionpool" and "GET" in line["message"]
    }
    assert {("load", "users", page) for page in range(1, 5)} < requested
    assert lines[-1]["message"] == "run ended"


def test_a_schema_change_is_a_line(
    environment: dict[str, str], home: Path, api: ScriptedApi
) -> None:
    api.records["tracks"] = [track(1, mood="blue")]
    assert run_command(*LOAD, environment=environment).returncode == 0
    change = find(read_lines(log_files(home)[0]), "schema changed")["listenhouse"]
    assert change["endpoint"] == "tracks"
    assert "'mood'" in change["description"]


def test_a_failure_is_one_line_on_the_terminal_and_a_stack_trace_in_the_file(
    environment: dict[str, str], home: Path, api: ScriptedApi
) -> None:
    api.fault = lambda _api, _endpoint, _page, _call: Answer(b"no", 404)
    run = run_command(*LOAD, environment=environment)

    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    *others, last = read_lines(log_files(home)[0])
    assert [line for line in others if line["log.level"] == "error"] == []
    assert (last["message"], last["log.level"]) == ("run ended", "error")
    assert last["listenhouse"]["status"] == "failed"
    assert last["listenhouse"]["failed_step"] == "load"
    assert last["error.type"] == "SourceError"
    assert last["error.message"] == run.stderr.strip()
    cause, failure = last["error.stack_trace"].split("\nHTTPError: ")
    assert "pages.py" in cause
    assert "landing/load.py" in failure


@pytest.mark.parametrize(
    ("number", "last"), [(signal.SIGKILL, "step started"), (signal.SIGINT, "run ended")]
)
def test_a_run_that_is_stopped_leaves_whole_lines_up_to_its_end(
    number: signal.Signals,
    last: str,
    environment: dict[str, str],
    home: Path,
    api: ScriptedApi,
) -> None:
    is_asked = threading.Event()

    def hang(_api: ScriptedApi, _endpoint: str, _page: int, _call: int) -> Answer:
        is_asked.set()
        return Answer(b"", hangs=True)

    api.fault = hang
    process = start_command(
        "python", "-m", "ingestion", environment=environment, folder=home.parent
    )
    assert is_asked.wait(300)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(300)
    assert process.exitcode is not None

    lines = read_lines(log_files(home)[0])
    assert lines[-1]["message"] == last
    if last == "run ended":
        assert lines[-1]["listenhouse"]["status"] == "interrupted"
        assert lines[-1]["log.level"] == "warning"


def test_a_second_run_says_in_its_own_file_why_it_ended(
    environment: dict[str, str], home: Path, connection: psycopg.Connection
) -> None:
    assert isinstance(take(connection, RUN_LOCK), SessionLock)
    assert run_command(*LOAD, environment=environment).returncode == 75
    assert read_lines(log_files(home)[0])[-1]["error.type"] == "BusyError"


def test_the_last_files_are_kept_and_nothing_else_is_touched(
    environment: dict[str, str], home: Path
) -> None:
    folder = home / "logs"
    folder.mkdir(parents=True)
    old = [folder / f"2026010{day}T000000Z-0123abcd.jsonl" for day in range(1, 6)]
    for path in [*old, folder / "notes.txt"]:
        path.touch()
    run = run_command(*LOAD, environment=environment | {"LISTENHOUSE_LOG_FILES": "3"})
    assert run.returncode == 0, run.stderr
    assert log_files(home)[:2] == old[-2:]
    assert len(log_files(home)) == 3
    assert (folder / "notes.txt").exists()

    run_command(*LOAD, environment=environment | {"LISTENHOUSE_LOG_FILES": "0"})
    assert len(log_files(home)) == 3


def test_a_folder_that_cannot_be_written_is_a_warning(
    environment: dict[str, str], home: Path
) -> None:
    home.mkdir()
    (home / "logs").write_text("in the way")
    run = run_command(*LOAD, environment=environment)
    assert run.returncode == 0
    assert run.stderr.startswith(f"WARNING run log not written file={home}/logs/")
    assert 'cause="File exists"' in run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_disk_that_fills_up_is_a_warning_and_the_run_goes_on(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    run_id, started_at = uuid.uuid4(), datetime(2026, 3, 1, tzinfo=UTC)
    settings.log_directory.mkdir(parents=True)
    path = settings.log_directory / f"20260301T000000Z-{str(run_id)[:8]}.jsonl"
    path.symlink_to("/dev/full")
    with log_to_file(settings, run_id, started_at):
        for _ in range(3):
            get_logger("a test").info("something happened")
    assert caplog.text.count("run log not written") == 1
    assert "No space left on device" in caplog.text


def test_a_library_is_adopted_with_its_own_handler_only(settings: Settings) -> None:
    library = logging.getLogger("a library that speaks for itself")
    library.propagate = False
    library.setLevel(logging.CRITICAL)
    its_own, of_others = logging.StreamHandler(), logging.handlers.BufferingHandler(10)
    library.addHandler(its_own)
    library.addHandler(of_others)
    with log_to_file(settings, uuid.uuid4(), datetime.now(UTC)):
        adopt(library.name)
        library.error("something happened")
    assert (its_own.level, of_others.level) == (logging.CRITICAL, logging.NOTSET)
    (line,) = read_lines(log_files(settings.home)[0])
    assert line["message"] == "something happened"


def test_what_is_no_valid_text_is_written_as_an_escape(settings: Settings) -> None:
    with log_to_file(settings, uuid.uuid4(), datetime.now(UTC)):
        get_logger("a test").info("odd", value="\udc80 \x1b[2J\nnext")
        logging.getLogger("a library").info("a value: %s", "ü")
    first, second = read_lines(log_files(settings.home)[0])
    assert first["listenhouse"]["value"] == "\udc80 \x1b[2J\nnext"
    assert second["message"] == "a value: ü"


def test_a_warning_does_not_tear_the_progress_bar(
    environment: dict[str, str], api: ScriptedApi
) -> None:
    pty = pytest.importorskip("pty")
    api.fault = lambda _api, endpoint, page, call: (
        Answer(b"down", 503) if (endpoint, page, call) == ("users", 2, 1) else None
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestion"],
        cwd=PROJECT_ROOT,
        env=os.environ | environment | {"COLUMNS": "200", "TERM": "xterm"},
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(ours)
    assert process.wait(300) == 0
    assert "users" in shown.decode()
    # the line of the bar is erased before the warning is written, and the bar drawn anew below
    (before, after) = shown.split(b"WARNING retry")
    assert before.endswith((b"\x1b[2K", b"\r\n"))
    assert b"users" in after


def planted(world_url: str) -> ScriptedApi:
    """An API that serves a simulated world, and records that do not fit among it."""
    scripted = ScriptedApi()
    for endpoint, page in itertools.product(scripted.records, (1, 2)):
        query = {"page": page, "size": 100}
        answer = requests.get(f"{world_url}/{endpoint}", params=query, timeout=10)
        scripted.records[endpoint] += answer.json()["items"]
    scripted.records["users"] += [
        user(90_001, first_name=["Mathilde", "Planted"]),
        user("Ottilie", email="ottilie.planted@example.org"),  # type: ignore[arg-type]
        b'{"id": 90002, "email": "ulrike.planted@example.org", "gender": "Planted\\u0000"}',
        "Theodora Planted",
    ]
    return scripted


def personal_words(users: list[Any]) -> set[str]:
    """The names and e-mail addresses of the users of an API."""
    values = [
        record.get(name)
        for record in users
        if isinstance(record, dict)
        for name in ("first_name", "last_name", "email")
    ]
    planted = {"Planted", "Mathilde", "Ottilie", "Theodora", "ulrike.planted@example.org"}
    return planted | {value for value in values if isinstance(value, str)}


def test_no_log_has_personal_data_or_secrets_after_bad_records_and_failures(
    environment: dict[str, str], home: Path, database_url: str, connection: psycopg.Connection
) -> None:
    warehouse = Warehouse(database_url, home)
    secrets = {"pass-of-the-api", "pass%21of-the-database", "pass!of-the-database"}
    environment["LISTENHOUSE_DATABASE_URL"] = environment["LISTENHOUSE_DATABASE_URL"].replace(
        "listenhouse@", "listenhouse:pass%21of-the-database@"
    )
    with running(World.at(0, WorldConfig(users=150, tracks=100, seed=5))) as url:
        api = planted(url)
    said = ""
    with serve(api):
        environment["LISTENHOUSE_API_URL"] = api.url.replace("//", "//reader:pass-of-the-api@")

        def run(*command: str) -> int:
            nonlocal said
            outcome = warehouse.command(*command, environment=environment)
            said += outcome.stdout + outcome.stderr
            return outcome.returncode

        assert run("listenhouse", "run") == 0
        build = read_lines(log_files(home)[-1])
        logged = {
            (ours["unique_id"], ours["status"])
            for ours in (
                line["listenhouse"] for line in build if line["message"] == "node finished"
            )
        }
        recorded = connection.execute(
            "select unique_id, status from ops.dbt_results where resource_type <> 'operation'"
        ).fetchall()
        assert logged == set(recorded)
        assert undocumented_fields(build) == set()

        # PostgreSQL refuses rows, and quotes them
        connection.execute(
            "alter table raw_moovitamix.users add constraint refused check (id < 0) not valid"
        )
        for record in api.records["users"][:-1]:
            if isinstance(record, dict):
                record["email"] = f"new.{record['email']}"
        assert run(*LOAD) == 1
        refused = read_lines(log_files(home)[-1])
        assert "row contains …" in refused[-1]["error.stack_trace"]
        assert {line["log.logger"] for line in refused if line["log.level"] == "error"} == {
            "dlt",
            "warehouse.ops.run_record",
        }
        connection.execute("alter table raw_moovitamix.users drop constraint refused")

        connection.execute(
            "alter table candidate_marts.dim_users add constraint refused check (false) not valid"
        )
        assert run("listenhouse", "run") == 1
        failed = find(read_lines(log_files(home)[-1]), "node finished", node_name="dim_users")
        assert failed["listenhouse"]["status"] == "error"
        assert "row contains …" in failed["listenhouse"]["message"]

        # requests quotes the URL, with user and password
        api.fault = lambda _api, _endpoint, _page, _call: Answer(b"no", 404)
        assert run(*LOAD) == 1
        assert "//…@127.0.0.1" in read_lines(log_files(home)[-1])[-1]["error.stack_trace"]

    text = said + "".join(path.read_text() for path in (home / "logs").iterdir())
    assert {
        word for word in personal_words(api.records["users"]) if is_word_of(text, word)
    } == set()
    assert {secret for secret in secrets if secret in text} == set()


def is_word_of(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def undocumented_fields(lines: list[dict[str, Any]]) -> set[str]:
    """The names in lines that the documentation does not have."""
    names = {name for line in lines for name in (*line, *line["listenhouse"])}
    documented = re.findall(r"`([\w.@]+)`", (PROJECT_ROOT / "docs/logging.md").read_text())
    return names - set(documented)
