"""The steps of a day by the real command: retried, resumed, alone, and ended when they hang."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from operations.daily_run.run import _ACTIONS
from operations.daily_run.unfinished_run import find_resume_point
from tests.commands import run_command
from tests.ingestion.scripted_api import Answer, ScriptedApi, history, serve, track, user
from tests.monitoring.alerts.conftest import Hooks, serve_hooks
from warehouse.daily_steps import ALERTS, DAILY_STEPS, DATABASE, Step
from warehouse.errors import SettingsError, SourceError
from warehouse.ops.run_record import RunRecord, RunStatus
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings, read_settings


class Monitor:
    """A monitor of heartbeats: what it was told, and whether it takes it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.fails = False
        self.url = ""


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            monitor.told.append(self.path)
            self.send_response(500 if monitor.fails else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monitor.url = f"http://127.0.0.1:{server.server_port}/ping/secret-uuid"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield monitor
        server.shutdown()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API with two users."""
    api = ScriptedApi()
    api.records = {
        "users": [user(1), user(2)],
        "tracks": [track(1), track(2)],
        "listen_history": [history(1, [1, 2])],
    }
    with serve(api):
        yield api


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with serve_hooks() as hooks:
        yield hooks


@pytest.fixture
def environment(
    tmp_path: Path, database_url: str, api: ScriptedApi, hooks: Hooks, monitor: Monitor
) -> dict[str, str]:
    alerts = tmp_path / "alerts.conf"
    alerts.write_text(f"critical,warning=json://{hooks.address}/all\n")
    return {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_DATABASE_URL": database_url,
        "LISTENHOUSE_API_URL": api.url,
        "LISTENHOUSE_REQUEST_ATTEMPTS": "1",
        "LISTENHOUSE_ALERTS_CONFIG": str(alerts),
        "LISTENHOUSE_HEARTBEAT_URL": monitor.url,
        "LISTENHOUSE_TRIGGER": "cron",
        "LISTENHOUSE_STEP_RETRIES": "load=1,build=0",
        "LISTENHOUSE_STEP_RETRY_SECONDS": "1",
        # nothing here needs marts, which take long: the build is what fails
        "LISTENHOUSE_STEP_TIMEOUTS": "build=1",
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }


def run(*options: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    outcome = run_command("listenhouse", "run", *options, environment=environment)
    assert "Traceback" not in outcome.stderr
    return outcome


def recorded(connection: psycopg.Connection, columns: str, table: str = "runs") -> list[Any]:
    query = f"select {columns} from ops.{table} order by started_at"
    return connection.execute(query.encode()).fetchall()


def lines(environment: dict[str, str]) -> list[dict[str, Any]]:
    """The lines of the last run's log."""
    *_, last = sorted((Path(environment["LISTENHOUSE_HOME"]) / "logs").iterdir())
    return [json.loads(line) for line in last.read_text().splitlines()]


def test_a_failed_day_is_retried_then_resumed_where_it_failed(
    environment: dict[str, str],
    api: ScriptedApi,
    hooks: Hooks,
    monitor: Monitor,
    connection: psycopg.Connection,
) -> None:
    api.fault = lambda _api, _endpoint, _page, _call: Answer(b"down", 503)
    failed = run(environment=environment)
    assert failed.returncode == 1
    tries = [line for line in lines(environment) if line["message"] == "step tried again"]
    assert [line["listenhouse"]["step"] for line in tries] == ["load"]
    # of both tries the last is recorded, and the run goes on being so
    assert recorded(connection, "command, trigger, attempt, status, failed_step") == [
        ("listenhouse run", "cron", 1, "failed", "load")
    ]
    assert recorded(connection, "step, status, message is null", "steps") == [
        ("database", "succeeded", True),
        ("source", "succeeded", True),
        ("load", "failed", False),
    ]
    assert len(hooks.at("/all")) == 1
    ((run_id,),) = recorded(connection, "run_id")
    path = "/ping/secret-uuid"
    assert monitor.told == [f"{path}/start?rid={run_id}", f"{path}/fail?rid={run_id}"]

    # the source is needed by the load, and may be gone; the build takes longer than it may
    api.fault = None
    for attempt, steps in (
        (2, ["database", "source", "load", "build"]),
        (3, ["database", "build"]),
    ):
        outcome = run("--resume", environment=environment)
        assert outcome.returncode == 1
        assert "The step build took longer than 1 s and was ended" in outcome.stderr
        assert "listenhouse run --resume" in outcome.stderr
        assert recorded(connection, "command, trigger, attempt, status, failed_step")[-1] == (
            "listenhouse run --resume",
            "cron",
            attempt,
            "failed",
            "build",
        )
        (*_, (last,)) = recorded(connection, "run_id")
        of_it = [step for of, step in recorded(connection, "run_id, step", "steps") if of == last]
        assert of_it == steps
    assert connection.execute("select count(*) from raw_moovitamix.crawls").fetchone() == (1,)

    # somebody ran the step alone since
    connection.execute(
        "with run as (insert into ops.runs"
        " select gen_random_uuid(), 'listenhouse run --step build', 'x', 1, 'x', 'x', 1,"
        " 'succeeded', null, null, now(), now() returning run_id)"
        " insert into ops.steps (run_id, step, status, started_at)"
        " select run_id, 'build', 'succeeded', now() from run"
    )
    monitor.told.clear()
    outcome = run("--resume", environment=environment)
    assert outcome.returncode == 0
    assert "Nothing to resume: every step of the run at" in outcome.stdout
    assert len(recorded(connection, "run_id")) == 4
    # what did nothing is no sign of life
    assert monitor.told == []


def record_run(settings: Settings, status: RunStatus, *steps: str) -> None:
    """Records a run of these steps; one that failed did so in the last."""
    record = RunRecord(settings, "listenhouse run")
    with suppress(SourceError), record.run():
        record.begin()
        for step in steps:
            with record.step(step):
                if step == steps[-1] and status is RunStatus.FAILED:
                    raise SourceError("The API is gone.")


def test_what_there_is_to_resume_is_of_the_last_hours(
    settings: Settings, connection: psycopg.Connection
) -> None:
    def record(status: RunStatus, *steps: str) -> None:
        record_run(settings, status, *steps)

    def resume() -> Step | str:
        return find_resume_point(connection, DAILY_STEPS)

    assert "no run in the last 20 hours" in str(resume())
    record(RunStatus.FAILED, "source", "load", "build", "triggers", "retrain")
    assert resume() == DAILY_STEPS[4]
    # one that died says no more than how far it came
    connection.execute("update ops.runs set status = 'running', failed_step = null")
    assert resume() == DAILY_STEPS[4]
    connection.execute("update ops.steps set status = 'succeeded', message = null")
    assert resume() == DAILY_STEPS[5]
    connection.execute("delete from ops.steps")
    assert resume() == DAILY_STEPS[0]
    record(RunStatus.SUCCEEDED, "source")
    assert "succeeded" in str(resume())
    record(RunStatus.FAILED, "source", "load")
    assert resume() == DAILY_STEPS[1]
    # it began long ago, and ended not so long ago
    connection.execute("update ops.runs set started_at = started_at - interval '1 day'")
    assert resume() == DAILY_STEPS[1]
    connection.execute("update ops.runs set ended_at = ended_at - interval '20 hours'")
    assert "no run in the last 20 hours" in str(resume())


def test_what_was_landed_and_withdrawn_is_crawled_again(
    settings: Settings, connection: psycopg.Connection, environment: dict[str, str]
) -> None:
    assert run("--step", "load", environment=environment).returncode == 0
    record_run(settings, RunStatus.FAILED, "source", "load", "build")
    assert find_resume_point(connection, DAILY_STEPS) == DAILY_STEPS[3]
    withdrawn = run_command("listenhouse", "withdraw", "--yes", environment=environment)
    assert withdrawn.returncode == 0, withdrawn.stderr
    assert find_resume_point(connection, DAILY_STEPS) == DAILY_STEPS[0]


def test_a_step_beside_a_run_is_refused(environment: dict[str, str], settings: Settings) -> None:
    with hold_run_lock(settings):
        assert run("--step", "load", environment=environment).returncode == 75


def test_a_step_alone_is_recorded_as_such(
    environment: dict[str, str],
    api: ScriptedApi,
    hooks: Hooks,
    monitor: Monitor,
    connection: psycopg.Connection,
) -> None:
    # a scheduler repeats it by itself, and tells when it gives up
    api.fault = lambda _api, _endpoint, _page, _call: Answer(b"down", 503)
    assert run("--step", "load", "--no-alerts", environment=environment).returncode == 1
    assert hooks.at("/all") == []
    assert run("--step", "load", environment=environment).returncode == 1
    assert len(hooks.at("/all")) == 1
    api.fault = None
    outcome = run("--step", "load", environment=environment)
    assert outcome.returncode == 0
    assert "another day" not in outcome.stdout
    assert run("--step", "database", environment=environment).returncode == 0
    load = "listenhouse run --step load"
    assert recorded(connection, "command, attempt, status") == [
        (load, 1, "failed"),
        (load, 2, "failed"),
        (load, 3, "succeeded"),
        ("listenhouse run --step database", 1, "succeeded"),
    ]
    assert recorded(connection, "step", "steps") == [("load",)] * 3 + [("database",)]
    assert run("--step", "alerts", environment=environment).returncode == 0
    # only the whole day is a sign of life
    assert monitor.told == []
    refused = run("--step", "recommend", environment=environment)
    assert "LISTENHOUSE_RECOMMEND is no" in refused.stderr
    assert run("--step", "load", "--resume", environment=environment).returncode == 2


def test_a_step_that_hangs_is_ended_recorded_and_told(
    environment: dict[str, str],
    api: ScriptedApi,
    hooks: Hooks,
    monitor: Monitor,
    connection: psycopg.Connection,
) -> None:
    # threads wait for answers that never come
    api.fault = lambda _api, _endpoint, _page, _call: Answer(b"", hangs=True)
    monitor.fails = True
    outcome = run(environment=environment | {"LISTENHOUSE_STEP_TIMEOUTS": "load=2"})
    assert outcome.returncode == 1
    assert "The step load took longer than 2 s and was ended" in outcome.stderr
    assert recorded(connection, "status, failed_step") == [("failed", "load")]
    ((message, seconds),) = connection.execute(
        "select message, extract(epoch from ended_at - started_at) from ops.steps"
        " where step = 'load'"
    ).fetchall()
    assert "took longer than 2 s" in message
    assert 2 <= seconds < 60
    (told,) = hooks.at("/all")
    assert "The step load took longer than 2 s" in told["message"]
    # a monitor that takes nothing is a warning, without the address that is its secret
    assert "heartbeat not sent" in outcome.stderr
    assert len(monitor.told) == 6
    written = outcome.stdout + outcome.stderr + json.dumps(lines(environment))
    assert "secret-uuid" not in written
    # the lock is free at once
    api.fault = None
    assert run("--step", "load", environment=environment).returncode == 0


def test_schedulers_read_the_declaration(environment: dict[str, str]) -> None:
    def steps(**changes: str) -> list[dict[str, Any]]:
        outcome = run_command("listenhouse", "steps", "--json", environment=environment | changes)
        described: list[dict[str, Any]] = json.loads(outcome.stdout)
        return described

    names = [step.name for step in DAILY_STEPS]
    described = steps(LISTENHOUSE_RECOMMEND="yes", LISTENHOUSE_FEED="yes", LISTENHOUSE_LAKE="lake")
    assert [step["name"] for step in described] == names
    assert described[2] == {
        "name": "load",
        "description": "Crawl the API and land what changed.",
        "timeout_seconds": 7200,
        "retries": 1,
        "retry_wait_seconds": 1,
        "command": ["listenhouse", "run", "--step", "load"],
    }
    assert [step["name"] for step in steps()] == [
        name for name in names if name not in {"retrain", "recommend", "feed", "lake"}
    ]
    assert {DATABASE, ALERTS, *_ACTIONS} == set(names)


@pytest.mark.parametrize("text", ["load", "lod=3", "load=0", "load=86401", "load=1;build=2"])
def test_a_time_limit_that_cannot_be_used_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="LISTENHOUSE_STEP_TIMEOUTS has '"):
        read_settings({"LISTENHOUSE_STEP_TIMEOUTS": text})


def test_the_monitor_can_be_told_by_hand(environment: dict[str, str], monitor: Monitor) -> None:
    for signal in ("start", "success", "fail"):
        outcome = run_command("listenhouse", "heartbeat", signal, environment=environment)
        assert outcome.returncode == 0
    path = "/ping/secret-uuid"
    assert monitor.told == [f"{path}/start", path, f"{path}/fail"]
    outcome = run_command(
        "listenhouse",
        "heartbeat",
        "success",
        environment=environment | {"LISTENHOUSE_HEARTBEAT_URL": ""},
    )
    assert "no signal is sent" in outcome.stdout


def test_a_vacuum_is_a_run_of_its_own(
    environment: dict[str, str], connection: psycopg.Connection
) -> None:
    connection.execute("create table listens as select 1 as id")
    outcome = run_command("listenhouse", "vacuum", environment=environment)
    assert "Vacuumed and analyzed in" in outcome.stdout
    assert recorded(connection, "command, status") == [("listenhouse vacuum", "succeeded")]
    # the server counts when the session that did it is idle, or gone
    connection.execute("select pg_stat_clear_snapshot()")
    vacuumed = connection.execute(
        "select vacuum_count, analyze_count from pg_stat_user_tables where relname = 'listens'"
    )
    assert vacuumed.fetchall() == [(1, 1)]
