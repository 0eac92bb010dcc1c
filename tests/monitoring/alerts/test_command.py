"""`listenhouse alerts` as a person, cron or an orchestrator runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from simulator import World, WorldConfig, create_app, running
from tests.commands import run_command
from tests.conftest import free_port
from tests.dbt_project.warehouse_build import Warehouse
from tests.monitoring.alerts.conftest import Configure, Findings, Hooks, Mailbox


@pytest.fixture
def environment(configure: Configure, hooks: Hooks, mailbox: Mailbox) -> dict[str, str]:
    """Two targets."""
    settings = configure(
        {
            f"json://{hooks.address}/all": "critical,warning",
            f"mailto://{mailbox.address}?from=house@example.com&to=ops@example.com": "critical",
        }
    )
    return {
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_DATABASE_URL": settings.database_url,
        "LISTENHOUSE_ALERTS_CONFIG": str(settings.alerts_config),
    }


def test_test_says_what_happened_at_each_target(
    environment: dict[str, str], hooks: Hooks, mailbox: Mailbox
) -> None:
    outcome = run_command("listenhouse", "alerts", "test", environment=environment)
    assert outcome.returncode == 0, outcome.stderr
    rows = [line.split() for line in outcome.stdout.splitlines() if "://" in line]
    assert [(row[0], row[-1]) for row in rows] == [
        (f"json://{hooks.address}", "delivered"),
        (f"mailto://{mailbox.address}", "delivered"),
    ]
    assert hooks.at("/all")[0]["title"].startswith("Listenhouse: a test from 127.0.0.1/test")
    assert mailbox.received[0]["Subject"].startswith("Listenhouse: a test from ")

    hooks.failing.add("/all")
    outcome = run_command("listenhouse", "alerts", "test", environment=environment)
    assert outcome.returncode == 1
    assert "error=503" in outcome.stdout
    assert len(mailbox.received) == 2


def test_check_tells_lists_and_fails_only_when_somebody_could_not_be_told(
    environment: dict[str, str], hooks: Hooks, mailbox: Mailbox, findings: Findings
) -> None:
    def alerts(*command: str) -> tuple[int, str]:
        outcome = run_command("listenhouse", "alerts", *command, environment=environment)
        assert "Traceback" not in outcome.stderr
        return outcome.returncode, outcome.stdout + outcome.stderr

    assert alerts("list") == (0, "No alert is open.\n")
    assert alerts("check") == (0, "Nothing is wrong.\n")
    findings.are({})
    hooks.failing.add("/all")
    code, said = alerts("check")
    assert code == 1
    assert "1 finding:" in said
    assert f"Told: mailto://{mailbox.address}." in said
    assert f"Warning: json://{hooks.address} could not be told: " in said
    (alert,) = json.loads(alerts("list", "--json")[1])
    assert alert["finding_key"] == "data_stale|users"
    assert alert["targets"] == {
        f"json://{hooks.address}": "failed",
        f"mailto://{mailbox.address}": "delivered",
    }
    hooks.failing.clear()
    assert alerts("check")[0] == 0
    assert len(hooks.received) == 1
    assert len(mailbox.received) == 1
    listed = alerts("list")[1]
    assert "users: the last crawl is 3 days old" in listed
    assert "failed" not in listed


def test_check_before_the_first_build_says_so(environment: dict[str, str]) -> None:
    outcome = run_command("listenhouse", "alerts", "check", environment=environment)
    assert outcome.returncode == 0
    assert "The warehouse was not built yet, so nothing can be judged" in outcome.stdout


def test_what_cannot_be_used_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    for changes, reason in (
        ({"LISTENHOUSE_ALERTS_CONFIG": ""}, "LISTENHOUSE_ALERTS_CONFIG is not set"),
        ({"LISTENHOUSE_ALERTS_CONFIG": str(tmp_path / "none.yml")}, "cannot be read"),
        ({"LISTENHOUSE_ALERTS_QUIET_HOURS": "late"}, "such as 22-7"),
    ):
        outcome = run_command("listenhouse", "alerts", "test", environment=environment | changes)
        assert outcome.returncode == 1
        assert reason in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1


def test_an_api_that_stops_is_told_and_so_is_its_return(
    environment: dict[str, str], mailbox: Mailbox, hooks: Hooks, tmp_path: Path
) -> None:
    warehouse = Warehouse(environment["LISTENHOUSE_DATABASE_URL"], tmp_path)
    api = create_app(World.at(0, WorldConfig(users=100, tracks=100)))
    port = free_port()
    house = {
        **environment,
        "LISTENHOUSE_API_URL": f"http://127.0.0.1:{port}",
        "LISTENHOUSE_REQUEST_ATTEMPTS": "1",
        # the findings are those of views
        "DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test",
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return warehouse.command(*command, environment=house)

    def subjects() -> list[str]:
        received = [mail["Subject"].partition(" on ")[0] for mail in mailbox.received]
        mailbox.received.clear()
        return received

    # before there is anything that judges
    failed = run("listenhouse", "run")
    assert failed.returncode == 1
    assert f"Told: json://{hooks.address}, mailto://{mailbox.address}." in failed.stdout
    assert "cannot be reached" in failed.stderr
    assert "connection refused" in mailbox.received[0].get_content()
    assert subjects() == ["Listenhouse: 1 critical"]

    with running(api, port=port):
        good = run("listenhouse", "run")
        assert good.returncode == 0, good.stdout + good.stderr
        assert "Recovered: listenhouse run failed" in good.stdout
        assert subjects() == ["Listenhouse: 1 recovered"]

    for _ in range(2):
        assert run("listenhouse", "run").returncode == 1
    assert "step load failed" in mailbox.received[0].get_content()
    assert subjects() == ["Listenhouse: 1 critical"]

    with running(api, port=port):
        assert run("dlt", "pipeline", "listen_history", "run").returncode == 0
    assert run("listenhouse", "alerts", "check").returncode == 0
    assert subjects() == ["Listenhouse: 1 recovered"]
    # the other target was told the same
    assert len(hooks.received) == 4
