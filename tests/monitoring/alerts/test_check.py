"""Who is told what, when, and how often: against real servers, with findings made to order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from monitoring.alerts.check import check, tell_unrecorded
from monitoring.alerts.ledger import hold_check_lock
from monitoring.alerts.notices import RETRIED_FOR
from tests.conftest import free_port
from tests.monitoring.alerts.conftest import Configure, Findings, Hooks
from warehouse.errors import BusyError, DatabaseError, SourceError
from warehouse.ops.run_record import RunRecord
from warehouse.quiet_hours import QuietHours
from warehouse.settings import Settings

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
NIGHT = datetime(2026, 3, 5, 23, tzinfo=UTC)
STALE = {"finding_key": "data_stale|users"}
SLOW = {
    "finding_key": "step_slow|build",
    "rule_name": "step_slow",
    "subject": "build",
    "severity": "warning",
    "message": "build took 90 s, 95 % of its runs take less than 30 s",
    "next_step": "See which model is slow with `listenhouse runs`",
}
CHANGED = {
    "finding_key": "schema_changed|users.mood",
    "rule_name": "schema_changed",
    "subject": "users.mood",
    "severity": "warning",
    "message": "users has a new field mood",
    "next_step": "Declare it, or leave it as json",
    "is_event": True,
}


@pytest.fixture
def one(configure: Configure, hooks: Hooks) -> Settings:
    """One target that is told of everything."""
    return configure({f"json://{hooks.address}/all": "critical,warning"})


def titles(payloads: list[dict[str, Any]]) -> list[str]:
    return [payload["title"].partition(" on ")[0] for payload in payloads]


def deliveries(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select target, notice, attempt, status from ops.alert_deliveries"
        " order by recorded_at, target, notice"
    ).fetchall()


def test_a_finding_is_told_once_and_so_is_its_end(
    one: Settings, hooks: Hooks, findings: Findings, connection: psycopg.Connection
) -> None:
    findings.are(STALE)
    for _ in range(3):
        report = check(one)
    assert [finding.subject for finding in report.findings] == ["users"]
    (payload,) = hooks.at("/all")
    assert payload["title"].startswith("Listenhouse: 1 critical on 127.0.0.1/test")
    assert payload["type"] == "failure"
    assert payload["message"] == (
        "Critical: users: the last crawl is 3 days old, it should be 36 hours at most\n"
        "Next: Run `listenhouse run` and see why no run did it\n"
        "Since: 2026-03-05 03:00 UTC\n"
        "\n"
        "More: `listenhouse runs`, `listenhouse alerts list`"
    )

    findings.are()
    for _ in range(2):
        check(one)
    (payload,) = hooks.at("/all")
    assert payload["title"].startswith("Listenhouse: 1 recovered on ")
    assert payload["type"] == "success"
    assert payload["message"].startswith("Recovered: users: the last crawl is 3 days old")
    (target,) = {row[0] for row in deliveries(connection)}
    assert target == f"json://{hooks.address}"
    assert [row[1:] for row in deliveries(connection)] == [
        ("opened", 1, "delivered"),
        ("recovered", 1, "delivered"),
    ]

    findings.are(STALE)
    check(one)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 critical"]


def test_findings_of_a_check_come_in_one_message_the_worst_first(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    findings.are({**SLOW, "finding_key": "step_slow|load"}, STALE, SLOW)
    check(one)
    (payload,) = hooks.at("/all")
    assert payload["title"].startswith("Listenhouse: 1 critical, 2 warnings on ")
    labels = [line.partition(":")[0] for line in payload["message"].splitlines() if line]
    assert labels == ["Critical", "Next", "Since"] + ["Warning", "Next", "Since"] * 2 + ["More"]


def test_a_message_has_an_end(one: Settings, hooks: Hooks, findings: Findings) -> None:
    findings.are(*({**SLOW, "finding_key": f"step_slow|{number}"} for number in range(25)))
    check(one)
    (payload,) = hooks.at("/all")
    assert payload["title"].startswith("Listenhouse: 25 warnings on ")
    assert payload["message"].count("Warning: ") == 20
    assert "Not shown: 5 more, see `listenhouse alerts list`" in payload["message"]


def test_tags_route(configure: Configure, hooks: Hooks, findings: Findings) -> None:
    settings = configure(
        {
            f"json://{hooks.address}/critical": "critical",
            f"json://{hooks.address}/warning": "warning",
            f"json://{hooks.address}/both": "critical, warning",
            f"json://{hooks.address}/always": "always",
            f"json://{hooks.address}/summary": "summary",
        }
    )
    findings.are(STALE, SLOW)
    report = check(settings)
    assert len(report.outcomes) == 4
    assert report.problems == []
    assert titles(hooks.at("/critical")) == ["Listenhouse: 1 critical"]
    assert titles(hooks.at("/warning")) == ["Listenhouse: 1 warning"]
    assert titles(hooks.at("/both")) == ["Listenhouse: 1 critical, 1 warning"]
    assert titles(hooks.at("/always")) == ["Listenhouse: 1 critical, 1 warning"]
    assert hooks.received == []


def test_a_warning_that_becomes_critical_is_told_again_and_its_end_to_all_who_heard_of_it(
    configure: Configure, hooks: Hooks, findings: Findings
) -> None:
    settings = configure(
        {
            f"json://{hooks.address}/critical": "critical",
            f"json://{hooks.address}/warning": "warning",
            f"json://{hooks.address}/both": "critical, warning",
        }
    )
    findings.are({**STALE, "severity": "warning"})
    check(settings)
    assert titles(hooks.at("/warning")) == ["Listenhouse: 1 warning"]
    assert titles(hooks.at("/both")) == ["Listenhouse: 1 warning"]

    findings.are({**STALE, "severity": "critical"})
    for _ in range(2):
        check(settings)
    assert titles(hooks.at("/critical")) == ["Listenhouse: 1 critical"]
    (raised,) = hooks.at("/both")
    assert raised["message"].startswith("Critical, was a warning: users: the last crawl")

    findings.are({**STALE, "severity": "warning"})
    check(settings)
    findings.are({**STALE, "severity": "critical"})
    check(settings)
    assert hooks.received == []

    findings.are()
    check(settings)
    for path in ("/critical", "/warning", "/both"):
        assert titles(hooks.at(path)) == ["Listenhouse: 1 recovered"]


def test_a_finding_that_becomes_less_bad_is_no_news(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    findings.are(STALE)
    check(one)
    findings.are({**STALE, "severity": "warning"})
    check(one)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 critical"]


def test_what_is_back_before_its_end_could_be_told_has_not_recovered(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    findings.are(STALE)
    check(one)
    hooks.failing.add("/all")
    findings.are()
    check(one)
    hooks.failing.clear()
    findings.are(STALE)
    check(one)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 critical"] * 2


def test_what_came_back_and_went_again_is_over_once(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    findings.are(STALE)
    check(one)
    hooks.failing.add("/all")
    findings.are()
    check(one)
    hooks.failing.clear()
    findings.are(STALE)
    check(one)
    findings.are()
    check(one)
    check(one)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 critical"] * 2 + [
        "Listenhouse: 1 recovered"
    ]


def test_an_event_is_told_and_has_no_end(one: Settings, hooks: Hooks, findings: Findings) -> None:
    findings.are(CHANGED)
    check(one)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 warning"]
    findings.are()
    report = check(one)
    assert report.recovered == []
    assert hooks.received == []


def test_only_the_target_that_failed_is_told_again(
    configure: Configure, hooks: Hooks, findings: Findings, connection: psycopg.Connection
) -> None:
    settings = configure(
        {
            f"json://{hooks.address}/good?tag=x": "critical,good",
            f"json://{hooks.address}/bad": "critical,bad",
        }
    )
    hooks.failing.add("/bad")
    findings.are(STALE)
    for _ in range(2):
        (failure,) = check(settings).failures
        assert failure.target == f"json://{hooks.address} (bad)"
        assert failure.error is not None
        assert "503" in failure.error
    hooks.failing.clear()
    assert check(settings).failures == []
    assert titles(hooks.at("/good")) == ["Listenhouse: 1 critical"]
    assert titles(hooks.at("/bad")) == ["Listenhouse: 1 critical"]
    assert [row[2:] for row in deliveries(connection) if row[0].endswith("(bad)")] == [
        # of tries that failed only the last is kept: a target can be dead for weeks
        (2, "failed"),
        (3, "delivered"),
    ]


def test_what_was_over_before_it_could_be_told_is_told_as_over(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    hooks.failing.add("/all")
    findings.are(STALE)
    check(one)
    findings.are()
    check(one)
    hooks.failing.clear()
    check(one)
    (payload,) = hooks.at("/all")
    assert payload["message"].startswith("Recovered: users")
    assert "(it could not be told when it began)" in payload["message"]


def test_an_alert_that_could_not_be_told_for_a_week_after_its_end_is_let_go(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    hooks.failing.add("/all")
    findings.are(STALE)
    check(one, now=NOON)
    findings.are()
    check(one, now=NOON)
    hooks.failing.clear()
    check(one, now=NOON + RETRIED_FOR + timedelta(minutes=1))
    assert hooks.received == []


def test_warnings_wait_for_the_end_of_the_quiet_hours_and_critical_findings_do_not(
    configure: Configure, hooks: Hooks, findings: Findings, connection: psycopg.Connection
) -> None:
    settings = configure(
        {f"json://{hooks.address}/all": "critical,warning"},
        alerts_quiet_hours=(22, 7),
    )
    findings.are(STALE, SLOW)
    for _ in range(2):
        check(settings, now=NIGHT)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 critical"]
    assert [row[1:] for row in deliveries(connection)].count(("opened", 1, "held")) == 1
    check(settings, now=NIGHT + timedelta(hours=9))
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 warning"]


def test_a_warning_that_is_over_before_the_night_is_wakes_nobody(
    configure: Configure, hooks: Hooks, findings: Findings
) -> None:
    settings = configure(
        {f"json://{hooks.address}/all": "warning"},
        alerts_quiet_hours=(22, 7),
    )
    findings.are(SLOW, CHANGED)
    check(settings, now=NIGHT)
    findings.are()
    check(settings, now=NIGHT + timedelta(hours=1))
    check(settings, now=NIGHT + timedelta(hours=9))
    # an event stays news
    (payload,) = hooks.at("/all")
    assert payload["title"].startswith("Listenhouse: 1 warning on ")
    assert payload["message"].startswith("Warning: users has a new field mood")


def test_the_end_of_a_warning_waits_too(
    configure: Configure, hooks: Hooks, findings: Findings
) -> None:
    settings = configure(
        {f"json://{hooks.address}/all": "warning"},
        alerts_quiet_hours=(22, 7),
    )
    findings.are(SLOW)
    check(settings, now=NOON)
    findings.are()
    check(settings, now=NIGHT)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 warning"]
    check(settings, now=NIGHT + timedelta(hours=9))
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 recovered"]


def test_the_quiet_hours_are_those_of_their_time_zone() -> None:
    tokyo = QuietHours(22, 7, ZoneInfo("Asia/Tokyo"))
    assert tokyo.cover(datetime(2026, 3, 5, 13, 0, tzinfo=UTC))
    assert not tokyo.cover(datetime(2026, 3, 5, 22, 0, tzinfo=UTC))
    lunch = QuietHours(12, 13, ZoneInfo("UTC"))
    assert [hour for hour in range(24) if lunch.cover(NOON.replace(hour=hour))] == [12]


def test_who_is_added_later_hears_of_what_is_still_open(
    configure: Configure, hooks: Hooks, findings: Findings
) -> None:
    findings.are(STALE, SLOW, CHANGED)
    check(configure({f"json://{hooks.address}/first": "critical,warning,first"}))
    findings.are(STALE)
    check(
        configure(
            {
                f"json://{hooks.address}/first": "critical,warning,first",
                f"json://{hooks.address}/second": "critical,warning,second",
            }
        )
    )
    # not of the event that is gone, nor of the warning that is over
    assert titles(hooks.at("/second")) == ["Listenhouse: 1 critical"]
    assert titles(hooks.at("/first")) == [
        "Listenhouse: 1 critical, 2 warnings",
        "Listenhouse: 1 recovered",
    ]


def test_two_checks_at_once_tell_once(
    one: Settings, hooks: Hooks, findings: Findings, connection: psycopg.Connection
) -> None:
    findings.are(STALE)
    check(one)
    hooks.at("/all")
    findings.are(STALE, SLOW)
    together = threading.Barrier(4)

    def check_together(_: int) -> None:
        together.wait()
        check(one)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(check_together, range(4)))
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 warning"]
    assert len(deliveries(connection)) == 2


def test_a_check_does_not_wait_for_another_for_ever(
    database_url: str, connection: psycopg.Connection
) -> None:
    with (
        psycopg.connect(database_url, autocommit=True) as other,
        hold_check_lock(other),
        pytest.raises(BusyError, match="Another check"),
        hold_check_lock(connection, longest_wait_seconds=1),
    ):
        pass


def test_a_link_leads_to_the_run(configure: Configure, hooks: Hooks, findings: Findings) -> None:
    run_id = UUID("0192f3a4-0000-7000-8000-000000000001")
    settings = configure(
        {f"json://{hooks.address}/all": "critical"}, health_url="https://house.example/health"
    )
    findings.are({**STALE, "run_id": run_id})
    check(settings)
    (payload,) = hooks.at("/all")
    assert f"Run: https://house.example/health#run-{run_id}\n" in payload["message"]
    assert payload["message"].endswith("Health page: https://house.example/health")


def test_a_failure_before_the_first_build_is_told_and_not_taken_for_over(
    one: Settings, hooks: Hooks, connection: psycopg.Connection
) -> None:
    failure = SourceError('The API answers no more: "Mathilde"')
    for _ in range(2):
        report = check(one, failure=failure)
        assert not report.was_judged
    (payload,) = hooks.at("/all")
    assert payload["message"].startswith("Critical: listenhouse run failed: The API answers no")
    assert "Mathilde" not in payload["message"]
    check(one)
    assert hooks.received == []

    # the next run builds, and all is well
    connection.execute("create schema health")
    connection.execute("create view health.rpt_findings as select * from ops.alerts where false")
    check(one)
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 recovered"]


def test_a_failure_that_could_not_be_recorded_is_told_and_has_no_end(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    findings.are()
    check(one, failure=SourceError("The API is gone."))
    assert titles(hooks.at("/all")) == ["Listenhouse: 1 critical"]
    check(one)
    assert hooks.received == []


def test_a_recorded_failure_is_left_to_the_rule_even_where_that_is_off(
    one: Settings, hooks: Hooks, findings: Findings
) -> None:
    failure = SourceError("The API is gone.")
    record = RunRecord(one, "a test")
    with suppress(SourceError), record.run():
        record.begin()
        raise failure
    findings.are()
    assert check(one, failure=failure).findings == []
    assert hooks.received == []


def test_a_failure_that_the_warehouse_knows_of_is_told_in_its_words(
    one: Settings, findings: Findings
) -> None:
    findings.are({"finding_key": "run_failed|run", "rule_name": "run_failed", "message": "said"})
    report = check(one, failure=SourceError("The API is gone."))
    assert [finding.message for finding in report.findings] == ["said"]


def test_what_nobody_foresaw_is_told_without_its_words(one: Settings, hooks: Hooks) -> None:
    check(one, failure=ValueError("mathilde@example.com"))
    (payload,) = hooks.at("/all")
    assert "listenhouse run failed: an unexpected ValueError" in payload["message"]
    assert "mathilde" not in payload["message"]


def test_without_a_database_a_failure_is_still_told(configure: Configure, hooks: Hooks) -> None:
    settings = configure(
        {
            f"json://{hooks.address}/critical": "critical",
            f"json://{hooks.address}/warning": "warning",
        },
        external_database_url=f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/music",
    )
    with pytest.raises(DatabaseError) as failure:
        check(settings)
    tell_unrecorded(settings, failure.value)
    (payload,) = hooks.at("/critical")
    assert payload["title"] == "Listenhouse: 1 critical on 127.0.0.1/music"
    assert "No connection to the PostgreSQL" in payload["message"]
    assert "each run that ends like this tells it again" in payload["message"]
    assert "hunter2" not in str(payload)
    assert hooks.received == []


def test_without_targets_findings_are_found_and_kept(
    settings: Settings, findings: Findings, connection: psycopg.Connection
) -> None:
    findings.are(STALE)
    report = check(settings)
    assert [finding.message for finding in report.findings] != []
    assert report.outcomes == []
    assert connection.execute("select finding_key from ops.alerts").fetchall() == [
        ("data_stale|users",)
    ]


def test_a_finding_that_nobody_is_tagged_for_is_a_problem(
    configure: Configure, hooks: Hooks, findings: Findings
) -> None:
    findings.are(STALE, SLOW)
    report = check(configure({f"json://{hooks.address}/warning": "warning"}))
    (problem,) = report.problems
    assert "no target has the tag critical" in problem


def test_a_database_that_fails_a_check_is_named(
    one: Settings, connection: psycopg.Connection
) -> None:
    connection.execute("create schema health")
    connection.execute("create view health.rpt_findings as select 1 / 0 as finding_key")
    with pytest.raises(DatabaseError, match="failed a check of the alerts"):
        check(one)
