"""The DAGs as Airflow runs them: whole days, one that fails, and what somebody has to confirm."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Orchestra, free_port

STEPS = ["database", "source", "load", "build", "retrain", "recommend"]

DESCRIBE = """
import json
import sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag

folder = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
print(json.dumps({
    "errors": bag.import_errors,
    "dags": {
        name: {
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "tasks": [
                {
                    "name": task.task_id,
                    "retries": task.retries,
                    "wait": task.retry_delay.total_seconds(),
                    "backoff": task.retry_exponential_backoff,
                    "seconds": task.execution_timeout and task.execution_timeout.total_seconds(),
                    "pool": task.pool,
                    "tells": [callback.__name__ for callback in task.on_failure_callback],
                }
                for task in dag.topological_sort()
            ],
        }
        for name, dag in bag.dags.items()
    },
}))
"""


class Receiver:
    """Takes webhooks and heartbeats.

    Attributes:
        messages: What people were told.
        beats: What a monitor was told.
    """

    def __init__(self) -> None:
        self.address = ""
        self.messages: list[str] = []
        self.beats: list[str] = []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/beat"):
                receiver.beats.append(self.path)
            else:
                receiver.messages.append(json.loads(body)["message"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()


@pytest.fixture
def telling(receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """Settings that have people and a monitor told."""
    alerts = tmp_path / "alerts.conf"
    alerts.write_text(f"critical,warning=json://{receiver.address}/alerts\n")
    return {
        "LISTENHOUSE_ALERTS_CONFIG": str(alerts),
        "LISTENHOUSE_HEARTBEAT_URL": f"http://{receiver.address}/beat",
    }


def test_dags_import_and_say_what_listenhouse_declares(orchestra: Orchestra) -> None:
    outcome = orchestra.call(
        *(sys.executable, "-c", DESCRIBE, orchestra.environment["AIRFLOW__CORE__DAGS_FOLDER"]),
        LISTENHOUSE_STEP_TIMEOUTS="load=100",
    )
    assert outcome.returncode == 0, outcome.stderr
    found: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    assert found["errors"] == {}
    assert set(found["dags"]) == {
        "listenhouse_daily",
        "listenhouse_retraining",
        "listenhouse_maintenance",
    }
    daily = found["dags"]["listenhouse_daily"]
    assert (daily["catchup"], daily["max_active_runs"]) == (False, 1)
    tasks = {task["name"]: task for task in daily["tasks"]}
    assert list(tasks) == ["heartbeat_start", *STEPS, "alerts", "heartbeat_success"]
    assert tasks["load"] == {
        "name": "load",
        "retries": 3,
        "wait": 1,
        "backoff": 2,
        "seconds": 100 + 300,
        "pool": "listenhouse",
        "tells": ["tell_of_failed_day"],
    }
    (training,) = found["dags"]["listenhouse_retraining"]["tasks"]
    assert training["tells"] == ["tell_of_failure"]


def test_a_day_that_fails_is_tried_again_and_told_once(
    orchestra: Orchestra, receiver: Receiver, telling: dict[str, str]
) -> None:
    outcome = orchestra.airflow(
        *("dags", "test", "listenhouse_daily"),
        **telling,
        LISTENHOUSE_API_URL=f"http://127.0.0.1:{free_port()}",
        LISTENHOUSE_REQUEST_ATTEMPTS="1",
        LISTENHOUSE_STEP_RETRIES="load=1",
    )
    assert outcome.returncode != 0
    assert "DagRun failed" in outcome.stderr
    runs = [(run["command"], run["attempt"], run["status"]) for run in orchestra.runs()]
    assert runs == [
        ("listenhouse run --step database", 1, "succeeded"),
        ("listenhouse run --step source", 1, "succeeded"),
        ("listenhouse run --step load", 1, "failed"),
        ("listenhouse run --step load", 2, "failed"),
    ]
    (message,) = receiver.messages
    assert "cannot be reached" in message
    assert receiver.beats == ["/beat/start", "/beat/fail"]


def test_a_whole_day_and_another(
    orchestra: Orchestra, receiver: Receiver, telling: dict[str, str]
) -> None:
    before = len(orchestra.runs())
    outcome = orchestra.airflow("dags", "test", "listenhouse_daily", **telling)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    runs = orchestra.runs()[before:]
    assert [run["command"] for run in runs] == [f"listenhouse run --step {step}" for step in STEPS]
    assert {(run["trigger"], run["status"]) for run in runs} == {("airflow", "succeeded")}
    models = json.loads(orchestra.listenhouse("models", "--json").stdout)
    assert any("champion" in model["aliases"] for model in models)
    assert receiver.beats == ["/beat/start", "/beat"]

    # a day that was missed: nothing is crawled twice, and what changed since is landed
    outcome = orchestra.airflow(
        *("dags", "test", "listenhouse_daily", "2026-02-01"),
        LISTENHOUSE_RECOMMEND="no",
        DBT_EXCLUDE_RESOURCE_TYPES="test unit_test",
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "2 crawls" in orchestra.listenhouse("status").stdout


def test_maintenance_needs_somebody_who_confirms_it(orchestra: Orchestra) -> None:
    orchestra.listenhouse("up")
    before = len(orchestra.runs())
    refused = orchestra.airflow("dags", "test", "listenhouse_maintenance")
    assert refused.returncode != 0
    assert "Nothing was done" in refused.stdout + refused.stderr
    assert len(orchestra.runs()) == before
    done = orchestra.airflow(
        "dags", "test", "listenhouse_maintenance", "--conf", '{"confirm": true}'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = orchestra.runs()[-1]
    assert (last["command"], last["status"]) == ("listenhouse vacuum", "succeeded")
