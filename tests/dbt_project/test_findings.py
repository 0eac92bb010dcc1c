"""What is wrong now: each rule finds its fault in a real warehouse, and nothing else.

Runs are recorded and loads are made as ever; only the times of runs are set back. On which
figures a rule turns, dbt's unit tests say.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ingestion.landing.withdrawal import plan_withdrawal, withdraw
from ingestion.load_command import load_with_progress
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from operations.checks.sanity_check import check_all
from tests.conftest import free_port
from tests.dbt_project.artifacts import Manifest
from tests.dbt_project.warehouse_build import BUILD, BUILD_UNTESTED, Warehouse
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from tests.recommendations import decide, recommend
from warehouse.errors import ListenhouseError, SourceError
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

HEALTH = (
    "fct_runs",
    "fct_run_steps",
    "fct_table_loads",
    "fct_endpoint_requests",
    "fct_request_outcomes",
    "fct_schema_changes",
    "fct_dbt_results",
    "fct_data_quality",
    "rpt_findings",
    "rpt_latest_quality",
)
TIMES = "\N{MULTIPLICATION SIGN}"
DATA_MODELS = ("base_crawls__committed", "int_versions_counted", "int_quality_measured")
JUDGED = (
    *("runs", "steps", "loads", "crawls", "publications", "tests", "quality"),
    "recommendations",
)
OPS_TABLES = (
    "column_profiles",
    "dbt_results",
    "http_requests",
    "loads",
    "runs",
    "schema_changes",
    "steps",
)


@dataclass
class House:
    """A warehouse that was loaded and built once, and its API.

    Attributes:
        warehouse: dbt, pointed at it.
        settings: The same for loads.
        api: Its source.
        connection: An autocommitting connection.
        dead: Steps that were begun and never end.
    """

    warehouse: Warehouse
    settings: Settings
    api: ScriptedApi
    connection: psycopg.Connection
    dead: list[AbstractContextManager[None]] = field(default_factory=list)

    def findings(self) -> dict[str, str]:
        """What is wrong now: messages by key."""
        return dict(
            self.connection.execute(
                "select finding_key, message from health.rpt_findings order by 1"
            ).fetchall()
        )

    def checked(self, *checks: str) -> dict[tuple[str, str], str]:
        """What `listenhouse check` makes of the findings: statuses by check and subject.

        Args:
            *checks: Those that ask for them.
        """
        endpoints = {endpoint.name for endpoint in ENDPOINTS}
        return {
            (row.check, row.subject): row.status
            for row in check_all(self.settings).findings
            if row.check in checks and (row.check != "conservation" or row.subject not in endpoints)
        }

    def run(
        self,
        *steps: str,
        hours_ago: float = 0,
        seconds: float = 1,
        fails: ListenhouseError | None = None,
        results: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        """Records a run.

        Args:
            *steps: Names of its steps.
            hours_ago: When it began.
            seconds: How long each of its steps took.
            fails: What the last step ends with.
            results: Status and failures of dbt's tests, by their name.
        """
        record = RunRecord(self.settings, "listenhouse run")
        with suppress(ListenhouseError), record.run():
            record.begin()
            for step in steps:
                with record.step(step):
                    if results is not None:
                        record.add("dbt_results", [_result(*one) for one in results.items()])
                    if fails is not None and step == steps[-1]:
                        raise fails
        self._set_back(record, hours_ago, seconds)

    def load(self, *, hours_ago: float = 0) -> None:
        """Records a run that loads from the API."""
        record = RunRecord(self.settings, "listenhouse run")
        try:
            with hold_run_lock(self.settings) as lock, record.run():
                record.begin()
                with record.step("load"):
                    load_with_progress(self.settings, lock, record)
        finally:
            self._set_back(record, hours_ago, None)

    def begin_and_die(self) -> None:
        """Begins a run, and a step of it, that never end."""
        record = RunRecord(self.settings, "listenhouse run")
        record.begin()
        self.dead.append(record.step("load"))
        self.dead[-1].__enter__()

    def _set_back(self, record: RunRecord, hours: float, seconds: float | None) -> None:
        self.connection.execute(
            """
            update ops.steps
            set started_at = started_at - %(ago)s * interval '1 hour',
                ended_at = coalesce(
                    started_at + %(seconds)s * interval '1 second', ended_at
                ) - %(ago)s * interval '1 hour'
            where run_id = %(run_id)s
            """,
            {"ago": hours, "seconds": seconds, "run_id": record.run_id},
        )
        self.connection.execute(
            "update ops.runs set started_at = started_at - %(ago)s * interval '1 hour',"
            " ended_at = ended_at - %(ago)s * interval '1 hour' where run_id = %(run_id)s",
            {"ago": hours, "run_id": record.run_id},
        )


def _result(name: str, outcome: tuple[str, int]) -> dict[str, Any]:
    status, failures = outcome
    return {
        "unique_id": f"test.listenhouse.{name}",
        "name": name,
        "resource_type": "test",
        "status": status,
        "seconds": 0.1,
        "rows_affected": None,
        "failures": failures,
        "message": f"Got {failures} results",
    }


def served() -> dict[str, list[Any]]:
    """What the API serves: nothing is wrong with it."""
    return {
        "users": [user(number) for number in range(1, 101)],
        "tracks": [track(number) for number in range(1, 101)],
        "listen_history": [history(number, [number, 1]) for number in range(1, 101)],
    }


@pytest.fixture(scope="module")
def built(module_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with (
        serve(ScriptedApi()) as api,
        psycopg.connect(module_warehouse.url, autocommit=True) as connection,
    ):
        settings = Settings(
            home=tmp_path_factory.mktemp("home"),
            external_database_url=module_warehouse.url,
            external_api_url=api.url,
            request_attempts=1,
        )
        house = House(module_warehouse, settings, api, connection)
        api.records = served()
        house.load()
        module_warehouse.dbt(*BUILD_UNTESTED)
        yield house


@pytest.fixture
def house(built: House) -> House:
    """The warehouse with an empty record of runs, and nothing wrong with the source."""
    built.connection.execute(f"truncate {', '.join(f'ops.{table}' for table in OPS_TABLES)}")
    built.api.records = served()
    assert built.findings() == {}
    return built


def test_good_runs_day_after_day_are_no_finding(house: House) -> None:
    for day in range(5, -1, -1):
        # an unknown user, a duplicate and a record that does not fit: nothing unusual
        house.api.records["listen_history"] += [history(500 + day, [day])]
        house.api.records["users"] = [*served()["users"], user(1), {"id": f"no{day}"}]
        house.load(hours_ago=24 * day)
        house.run("build", hours_ago=24 * day, seconds=20 + day, results={"a": ("pass", 0)})
    assert house.findings() == {}


def test_a_load_that_fails_is_a_finding_until_one_succeeds(house: House) -> None:
    house.load(hours_ago=3)
    working, house.settings = (
        house.settings,
        house.settings.but(external_api_url=f"http://127.0.0.1:{free_port()}"),
    )
    for hours in (2, 1):
        with pytest.raises(SourceError):
            house.load(hours_ago=hours)
    house.settings = working
    ((key, message),) = house.findings().items()
    assert key == "run_failed|load"
    assert message.startswith("step load failed (2 times in a row, last at ")
    assert "UTC): The API at http://127.0.0.1:" in message
    severity, next_step, run_id = house.connection.execute(
        "select severity, next_step, run_id = (select run_id from health.fct_runs order by"
        " started_at desc limit 1) from health.rpt_findings"
    ).fetchall()[0]
    assert (severity, run_id) == ("critical", True)
    assert "listenhouse run" in next_step

    house.load()
    assert house.findings() == {}


def test_a_run_that_died_is_a_finding_once_the_next_has_seen_it(house: House) -> None:
    house.begin_and_die()
    assert house.findings() == {}
    house.run("source")
    ((key, message),) = house.findings().items()
    assert key == "run_failed|load"
    assert message.startswith("step load died without a word (at ")


def test_a_failure_outside_of_any_step_is_one_of_the_run(house: House) -> None:
    record = RunRecord(house.settings, "a test")
    with suppress(SourceError), record.run():
        record.begin()
        raise SourceError("Nobody knows.")
    ((key, message),) = house.findings().items()
    assert key == "run_failed|run"
    assert message.endswith("UTC): Nobody knows.")


def test_a_step_that_takes_much_longer_than_ever_is_a_finding(house: House) -> None:
    for hours in range(5, 0, -1):
        house.run("build", hours_ago=hours, seconds=38 + hours / 5)
    house.run("build", seconds=95)
    assert house.findings() == {
        "step_slow|build": f"step build took 95 s, 2.4 {TIMES} its p95 of 39 s over 5 runs"
    }
    house.run("build", seconds=40)
    assert house.findings() == {}


def test_a_step_that_hangs_is_a_finding_while_it_does(house: House) -> None:
    for hours in range(30, 25, -1):
        house.run("load", hours_ago=hours)
    house.begin_and_die()
    assert set(house.findings()) == {"run_missed|runs"}
    house.connection.execute(
        "update ops.steps set started_at = now() - interval '1 hour' where status = 'running'"
    )
    assert house.findings()["step_slow|load"] == (
        f"step load has been running for 3,600 s, 3,600 {TIMES} its p95 of 1 s over 5 runs"
    )


def test_too_few_runs_that_succeed_are_a_finding(house: House) -> None:
    for hours in range(5, 1, -1):
        house.run("load", hours_ago=hours, fails=SourceError("Gone.") if hours % 2 else None)
    assert house.findings() == {}
    house.run("load", hours_ago=1)
    assert house.findings() == {
        "success_rate|runs": "3 of the last 5 runs succeeded; at least 80 % are expected to"
    }


def test_a_day_without_a_run_is_a_finding_during_it_and_after_it(house: House) -> None:
    house.run("load", hours_ago=51)
    ((key, message),) = house.findings().items()
    assert key == "run_missed|runs"
    assert message.startswith("no run for 51 h since that of ")
    house.run("load", hours_ago=1)
    ((key, message),) = house.findings().items()
    assert key == "run_missed|runs"
    assert message.startswith("no run for 50 h before the run of ")
    house.run("load")
    assert house.findings() == {}


def test_bad_records_are_a_finding_until_they_are_mended_or_usual(house: House) -> None:
    house.load(hours_ago=9)
    bad = [{"id": f"no{number}"} for number in range(5)]
    house.api.records["tracks"] = [*served()["tracks"], *bad]
    house.load(hours_ago=8)
    expected = {
        "quarantine_rising|tracks": (
            "records of /tracks in quarantine: 5, usually 0 (median of 1 loads before)"
        )
    }
    assert house.findings() == expected
    house.api.records = served()
    house.load(hours_ago=7)
    assert house.findings() == {}


def test_what_was_wrong_with_a_crawl_is_over_when_it_is_withdrawn(house: House) -> None:
    house.load(hours_ago=9)
    bad = [{"id": f"no{number}"} for number in range(5)]
    house.api.records["tracks"] = [*served()["tracks"], *bad, track(101, mood="blue")]
    house.load(hours_ago=8)
    assert {key.partition("|")[0] for key in house.findings()} == {
        "quarantine_rising",
        "schema_changed",
    }
    names = [endpoint.name for endpoint in ENDPOINTS]
    with hold_run_lock(house.settings) as lock:
        plan = plan_withdrawal(lock, LANDING_SCHEMA, names, None)
        withdraw(lock, LANDING_SCHEMA, names, plan, "a test")
    assert house.findings() == {}


def test_a_field_that_the_api_adds_is_a_finding_that_nothing_recovers(house: House) -> None:
    house.load(hours_ago=24 * 3)
    house.api.records["users"] = [user(number, mood="blue") for number in range(1, 101)]
    house.load(hours_ago=24 * 2)
    house.load(hours_ago=24)
    house.load()
    assert house.connection.execute(
        "select rule_name, message, is_event from health.rpt_findings"
    ).fetchall() == [
        (
            "schema_changed",
            "/users serves a field that is not declared, 'mood': it lands as the json column mood",
            True,
        )
    ]
    house.connection.execute(
        "update ops.steps set ended_at = ended_at - interval '6 days' where step = 'load'"
    )
    assert house.findings() == {}
    # the others have nothing to do with it
    house.api.records = served()
    house.load()


def test_tests_that_fail_or_warn_are_findings_until_they_pass(house: House) -> None:
    conservation = "every_listen_landed_is_in_the_fact_once"
    house.run(
        "build",
        hours_ago=2,
        results={"a": ("fail", 3), "b": ("warn", 1), "c": ("pass", 0), conservation: ("fail", 1)},
    )
    found = {
        f"conservation_broken|{conservation}": f"test {conservation} failed: 1 row breaks it",
        "test_failed|a": "test a failed: 3 rows break it",
        "test_warned|b": "test b warns: 1 row breaks it",
    }
    assert house.findings() == found
    assert house.checked("conservation", "tests") == {
        ("conservation", conservation): "wrong",
        ("tests", "a"): "wrong",
        ("tests", "b"): "note",
        ("tests", ""): "note",
    }
    house.warehouse.dbt("test", "--select", "marts.health", "--exclude-resource-type", "unit_test")
    # a build that does not come as far as the tests says nothing about them
    house.run("build", hours_ago=1, results=dict.fromkeys(("a", "b"), ("skipped", 0)))
    assert set(house.findings()) == {"test_failed|a", "test_warned|b"}
    house.run("build", results={"a": ("pass", 0), "b": ("pass", 0)})
    assert house.findings() == {}
    assert house.checked("conservation", "tests") == {("tests", ""): "ok"}


def test_an_anomaly_of_the_last_day_is_a_finding(house: House) -> None:
    house.connection.execute(
        "update health.rpt_anomalies set is_anomaly = true, severity = 'critical',"
        " reason = 'users: 1 record' where metric_name = 'records_landed' and subject = 'users'"
    )
    house.warehouse.dbt("run", "--select", "int_latest_anomalies")
    assert house.connection.execute(
        "select finding_key, severity, message from health.rpt_findings"
    ).fetchall() == [("anomaly|records_landed of users", "critical", "users: 1 record")]
    house.connection.execute("update health.rpt_anomalies set is_anomaly = false")
    house.warehouse.dbt("run", "--select", "int_latest_anomalies")


def test_a_missing_table_of_the_source_and_old_data_are_findings(house: House) -> None:
    house.api.records["listen_history"] += [history(500 + number, []) for number in range(12)]
    house.load()
    house.connection.execute(
        "update raw_moovitamix.crawls set committed_at = now() - interval '51 hours'"
    )
    house.warehouse.dbt(*BUILD_UNTESTED, "--select", "+int_quality_measured")
    found = house.findings()
    assert found["orphans|users"] == (
        "listens name 12 users that have no record, 10.7 % of all; at most 5 % are expected"
    )
    assert found["data_stale|marts"].startswith(
        "the newest data of the marts was landed 51 h ago, at "
    )
    checked = house.checked("references", "freshness")
    assert checked.pop(("references", "tracks"))
    assert checked == {("references", "users"): "note", ("freshness", "marts"): "wrong"}
    # the records come
    house.api.records["users"] += [user(500 + number) for number in range(12)]
    house.load()
    house.warehouse.dbt(*BUILD_UNTESTED, "--select", "+int_quality_measured")
    assert set(house.findings()) == {"data_stale|marts"}
    house.warehouse.dbt(*BUILD_UNTESTED, "--select", "+fct_listens")
    assert house.findings() == {}
    checked = house.checked("references", "freshness")
    assert checked.pop(("references", "tracks"))
    assert checked == {("references", "users"): "ok", ("freshness", "crawls"): "ok"}
    assert house.connection.execute(
        "select value from health.fct_data_quality where measure = 'orphan_users'"
        " order by boundary_at desc limit 2"
    ).fetchall() == [(0,), (12,)]


def test_old_lists_bad_lists_and_a_fallback_are_findings_until_they_are_not(house: House) -> None:
    landed = house.connection.execute("select max(boundary_at) from raw_moovitamix.crawls")
    (boundary,) = landed.fetchone() or (None,)
    assert boundary is not None
    users = [str(number) for number in range(2, 101)]
    models = ("fct_recommendation_outcomes", "int_lift_measured", "rpt_findings")
    liked, disliked = dict.fromkeys(users, ("1",)), dict.fromkeys(users, ("1000",))
    days = [boundary - timedelta(days=number) for number in (4, 3, 2)]
    for day in days:
        recommend(house.connection, day.date(), day, disliked, liked)
    decide(house.connection, boundary, "fell_back", reason="The champion is broken.")
    house.warehouse.dbt("run", "--select", *models)
    found = house.findings()
    assert set(found) == {
        "recommendations_stale|moovitamix",
        "model_fell_back|champion",
        "lift_negative|moovitamix",
    }
    assert "48 h before the crawl of the marts" in found["recommendations_stale|moovitamix"]
    assert "between -100 and -100 points" in found["lift_negative|moovitamix"]

    for day in days:
        recommend(house.connection, day.date(), day, liked, disliked)
    recommend(house.connection, boundary.date(), boundary, disliked, liked)
    decide(house.connection, boundary + timedelta(seconds=1), "promoted")
    house.warehouse.dbt("run", "--select", *models)
    assert house.findings() == {}


def test_a_rule_without_thresholds_is_off(house: House) -> None:
    house.run("load", fails=SourceError("Gone."))
    house.connection.execute("delete from health.rule_thresholds where rule_name = 'run_failed'")
    assert house.findings() == {}
    house.warehouse.dbt("seed", "--select", "rule_thresholds")
    assert set(house.findings()) == {"run_failed|load"}


def test_the_quality_of_a_crawl_is_what_it_landed(house: House) -> None:
    house.api.records["users"][0] = user(1, email=None, gender=None)
    house.api.records["users"] += [user(2), user(3, email=None), {"id": "no"}]
    house.load()
    house.run("build", seconds=7)
    house.warehouse.dbt("run", "--select", *DATA_MODELS)
    measured: dict[str, float] = dict(
        house.connection.execute(
            "select measure || ' ' || detail, value from health.fct_data_quality"
            " where boundary_at = (select max(boundary_at) from health.fct_data_quality)"
            " and table_name in ('users', 'crawls') and (measure <> 'nulls' or value > 0)"
        ).fetchall()
    )
    assert 0 < measured.pop("ingestion_latency_seconds ") < 60
    assert measured.pop("freshness_seconds ") > 0
    assert measured.pop("transform_delay_seconds ") == pytest.approx(7, abs=2)
    # of two records with the same key the newer one stays, and the other is rejected
    assert sum(value for name, value in measured.items() if name.startswith("rejected ")) == 2
    assert {
        name: value for name, value in measured.items() if not name.startswith("rejected ")
    } == {
        "distinct_keys ": 100,
        "duplicates ": 1,
        "nulls email": 2,
        "nulls gender": 1,
        "open_rejections ": 2,
        "orphan_users ": 0,
    }


def test_views_stay_when_what_they_read_is_built_alone(house: House) -> None:
    views = "select viewname from pg_views where schemaname = 'health' order by 1"
    assert house.warehouse.query(views) == [(name,) for name in sorted(HEALTH)]
    house.warehouse.dbt(
        *BUILD_UNTESTED,
        *("--select", "path:dbt_project/models/staging", "intermediate", "rule_thresholds"),
        *("dim_users", "fct_daily_load_metrics", "fct_runs"),
    )
    house.warehouse.dbt(
        *(
            "run",
            "--full-refresh",
            "--select",
            "rpt_anomalies",
            "int_latest_anomalies",
            "dim_users",
        ),
        *("fct_recommendation_outcomes", "int_lift_measured"),
    )
    assert house.warehouse.query(views) == [(name,) for name in sorted(HEALTH)]


def test_nothing_is_known_after_as_of(house: House) -> None:
    house.load(hours_ago=-1)
    house.run("load", hours_ago=-3, fails=SourceError("Gone."))
    (now,) = house.connection.execute(
        "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
    ).fetchone() or ("",)
    schema = f"as_of_{''.join(filter(str.isdigit, now))}_health"
    house.warehouse.dbt(
        *BUILD_UNTESTED,
        *("--select", *(f"+{view}" for view in HEALTH), "--vars", f"{{as_of: '{now}'}}"),
    )
    counts = {
        view: house.warehouse.query(f"select count(*) from {schema}.{view}")[0][0]
        for view in HEALTH
    }
    assert counts.pop("fct_data_quality") > 0
    assert counts.pop("rpt_latest_quality") > 0
    assert set(counts.values()) == {0}


def test_a_warehouse_without_a_record_of_runs_is_built_all_the_same(house: House) -> None:
    house.warehouse.execute("drop schema ops cascade")
    house.warehouse.dbt(*BUILD, "--select", "path:dbt_project/models/staging/ops+")
    assert house.findings() == {}
    # the next run makes the tables, and the next build reads them
    house.run("load", fails=SourceError("Gone."))
    assert house.findings() == {}
    house.warehouse.dbt("run", "--select", *HEALTH)
    assert set(house.findings()) == {"run_failed|load"}


def test_every_rule_has_its_thresholds_and_every_threshold_its_rule(manifest: Manifest) -> None:
    code = "".join(
        manifest.model(name)["raw_code"]
        for name in ("rpt_findings", *(f"int_{topic}_findings" for topic in JUDGED))
    )
    rules = set(re.findall(r"'(\w+)' as rule_name", code))
    # int_tests_findings tells its three apart
    rules |= set(re.findall(r"(?:then|else) '((?:test|conservation)_\w+)'", code))
    with (PROJECT_ROOT / "seeds" / "rule_thresholds.csv").open() as file:
        assert {row["rule_name"] for row in csv.DictReader(file)} == rules
    assert set(re.findall(r"rule_name = '(\w+)'", code)) <= rules


def test_the_tests_that_count_what_must_not_be_lost_exist(manifest: Manifest) -> None:
    (names,) = re.findall(
        r"node_name in \(([^)]*)\)", manifest.model("int_tests_findings")["raw_code"]
    )
    singular = {test["name"] for test in manifest.nodes("test") if "test_metadata" not in test}
    assert set(re.findall(r"\w+", names)) <= singular
