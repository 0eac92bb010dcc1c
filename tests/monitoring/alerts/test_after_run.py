"""What follows a run: whatever becomes of the alerts, the run ends as it ended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitoring.alerts.after_run import check_alerts_after
from tests.conftest import free_port
from tests.monitoring.alerts.conftest import Configure, Findings, Hooks
from warehouse.errors import BusyError, SourceError, Termination
from warehouse.settings import Settings


@pytest.fixture
def one(configure: Configure, hooks: Hooks) -> Settings:
    """One target that is told of everything."""
    return configure({f"json://{hooks.address}/all": "critical,warning"})


def run_well(settings: Settings) -> None:
    with check_alerts_after(settings):
        pass


def run_badly(settings: Settings, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, check_alerts_after(settings):
        raise error
    assert raised.value is error


def test_what_is_wrong_is_told_and_shown(
    one: Settings, hooks: Hooks, findings: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    findings.are({}, {"finding_key": "x", "severity": "warning", "message": "slow"})
    run_well(one)
    shown = capsys.readouterr().out
    assert "2 findings:" in shown
    assert re.search(r"critical +users: the last crawl is 3 days old", shown)
    assert re.search(r"warning +slow", shown)
    assert f"Told: json://{hooks.address}." in shown
    assert len(hooks.received) == 1


def test_a_quiet_day_shows_nothing(
    one: Settings, findings: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    findings.are()
    run_well(one)
    assert capsys.readouterr().out == ""


def test_a_failure_is_told_and_not_shown_twice(
    one: Settings, hooks: Hooks, findings: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    findings.are({"severity": "warning"})
    run_badly(one, SourceError("The API is gone."))
    shown = capsys.readouterr().out
    assert "1 finding:" in shown
    assert "The API is gone" not in shown
    ((_, payload),) = hooks.received
    assert payload["title"].startswith("Listenhouse: 1 critical, 1 warning on ")


def test_a_run_beside_another_or_interrupted_says_nothing(
    one: Settings, hooks: Hooks, findings: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    findings.are({})
    run_badly(one, BusyError("Another run is under way."))
    run_badly(one, KeyboardInterrupt())
    assert capsys.readouterr().out == ""
    assert hooks.received == []


def test_a_run_that_a_scheduler_ends_is_told(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    findings.are()
    run_badly(one, Termination())
    ((_, payload),) = hooks.received
    assert "listenhouse run failed: ended by SIGTERM" in payload["message"]


def test_without_targets_findings_are_shown(
    settings: Settings, findings: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    findings.are({})
    run_well(settings)
    shown = capsys.readouterr().out
    assert "1 finding:" in shown
    assert "No alert is sent: LISTENHOUSE_ALERTS_CONFIG names no file" in shown


def test_alerts_that_fail_do_not_fail_a_run(
    one: Settings,
    hooks: Hooks,
    findings: Findings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    findings.are({})
    hooks.failing.add("/all")
    run_well(one)
    assert f"Warning: json://{hooks.address} could not be told: " in capsys.readouterr().err

    run_well(one.but(alerts_config=tmp_path / "none.yml"))
    shown, warned = capsys.readouterr()
    assert "Warning: the alerts were not checked." in warned
    assert "none.yml cannot be read" in warned
    assert "1 finding:" in shown

    nowhere = f"postgresql://ada@127.0.0.1:{free_port()}/music"
    run_well(one.but(external_database_url=nowhere))
    assert "Warning: the alerts were not checked. No connection" in capsys.readouterr().err


def test_a_failure_without_a_database_is_told(
    one: Settings, hooks: Hooks, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"postgresql://ada@127.0.0.1:{free_port()}/music"
    run_badly(one.but(external_database_url=nowhere), SourceError("The API is gone."))
    ((_, payload),) = hooks.received
    assert "listenhouse run failed: The API is gone." in payload["message"]
    # what ended the run is said at its very end, and once
    assert capsys.readouterr() == (f"Told: json://{hooks.address}.\n", "")


def test_what_nobody_foresaw_does_not_fail_a_run_either(
    one: Settings, findings: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    findings.are({"severity": "fatal for hunter2"})
    run_well(one)
    assert "Warning: the alerts were not checked. ValueError" in capsys.readouterr().err
