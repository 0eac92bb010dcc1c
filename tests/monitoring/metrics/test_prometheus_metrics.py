"""The metrics: what they say is what the warehouse holds, and they say so when they cannot tell."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingestion.load_command import run_load
from monitoring.grafana import dashboard
from monitoring.metrics import exporter as prometheus_metrics
from monitoring.metrics.exporter import read_metrics, start_server, write_metrics
from monitoring.metrics.queries import PARTS, PREFIX
from tests import programs
from tests.commands import run_command, start_command
from tests.conftest import free_port
from tests.monitoring.metrics.programs import RULES, promtool
from warehouse.errors import MetricsServerError, OutputError, SourceError
from warehouse.settings import Settings

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """The samples of an exposition, by name without prefix and labels."""
    return {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def named(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric, by the values of its labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(labels)): value
        for (metric, labels), value in samples.items()
        if metric == name
    }


def only(samples: Samples, name: str) -> float:
    """The value of a metric without labels."""
    return named(samples, name)[()]


def unread(samples: Samples) -> set[str]:
    """The parts that could not be read."""
    return {part for (part,), read in named(samples, "scrape_part_success").items() if not read}


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Serves the metrics in this process; yields their URL."""
    port = free_port()
    server, thread = start_server(settings, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def text(lived_in: Settings) -> str:
    """What a scrape of the warehouse answers."""
    return read_metrics(lived_in)


@pytest.fixture(scope="module")
def samples(text: str) -> Samples:
    """The samples of that."""
    return parse(text)


def test_promtool_finds_nothing_to_correct(text: str) -> None:
    outcome = promtool("check", "metrics", given=text)
    assert (outcome.returncode, outcome.stdout + outcome.stderr) == (0, "")


def test_every_metric_has_samples(samples: Samples) -> None:
    assert only(samples, "up") == 1
    assert unread(samples) == set()
    exposed = {name for name, _ in samples}
    assert {name for part in PARTS for name in part.metrics} - exposed == set()


def test_series_are_few_and_name_no_run_and_nobody(text: str, samples: Samples) -> None:
    # 15 rules, 18 series of daily metrics, 26 parts: none grows with the days
    assert len(samples) < 500
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text)
    assert "@" not in text
    assert "Ada" not in text


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (
            "runs_total",
            "select command, status, count(*) from ops.runs group by command, status",
        ),
        (
            "last_run_success_timestamp_seconds",
            "select command, extract(epoch from ended_at) from ops.runs as runs where ended_at = "
            "(select max(ended_at) from ops.runs as others "
            "where others.command = runs.command and status = 'succeeded')",
        ),
        (
            "step_cpu_seconds",
            "select step, cpu_seconds from ops.steps as steps where ended_at = "
            "(select max(ended_at) from ops.steps as others where others.step = steps.step)",
        ),
        (
            "last_load_rows",
            "select 'landed', 'users', users_landed from raw_moovitamix.crawls "
            "order by boundary_at desc limit 1",
        ),
        (
            "last_load_versions",
            "select 'closed', 'listen_history', count(*) from raw_moovitamix.listen_history "
            "where _dlt_valid_to = (select max(boundary_at) from raw_moovitamix.crawls)",
        ),
        (
            "landed_boundary_timestamp_seconds",
            "select extract(epoch from max(boundary_at)) from raw_moovitamix.crawls",
        ),
        (
            "built_boundary_timestamp_seconds",
            "select extract(epoch from max(_dlt_valid_from)) from raw_moovitamix.listen_history",
        ),
        (
            "http_requests_total",
            "select endpoint, sum(requests) from ops.http_requests group by endpoint",
        ),
        (
            "http_responses_total",
            "select '503', endpoint, sum((statuses->>'503')::int) from ops.http_requests "
            "where statuses ? '503' group by endpoint",
        ),
        (
            "last_build_nodes",
            "select 'succeeded', 'test', count(*) from ops.dbt_results "
            "where resource_type = 'test' and status = 'pass'",
        ),
        (
            "inferred_members",
            "select 'tracks', count(distinct track_id) from marts.dim_tracks "
            "where is_inferred and is_current",
        ),
        (
            "null_values",
            "select 'gender', 'users', count(*) from raw_moovitamix.users "
            "where gender is null and _dlt_valid_to is null",
        ),
        (
            "open_rejected_records",
            "select reason, endpoint, count(*) from raw_moovitamix.rejected_records "
            "where resolved_at is null group by reason, endpoint",
        ),
        (
            "daily_metric_value",
            "select 'listens_new', 'fct_listens', count(*) from marts.fct_listens "
            "where first_observed_at = (select max(first_observed_at) from marts.fct_listens)",
        ),
        (
            "daily_metric_expected",
            "select metric_name, subject, expected from health.rpt_anomalies "
            "where measured_date = (select max(measured_date) from health.rpt_anomalies)",
        ),
        (
            "daily_metric_anomaly",
            "select metric_name, severity, subject, 1 from health.rpt_anomalies where is_anomaly "
            "and measured_date = (select max(measured_date) from health.rpt_anomalies)",
        ),
        (
            "findings",
            "select rule_name, severity, count(*) from health.rpt_findings "
            "group by rule_name, severity",
        ),
        (
            "recommended_users",
            "select 'moovitamix', count(distinct user_id) from recommendations.recommendations "
            "where for_date = (select max(for_date) from recommendations.batches)",
        ),
        (
            "recommendations_boundary_timestamp_seconds",
            "select 'moovitamix', extract(epoch from max(data_cutoff)) "
            "from recommendations.recommendations",
        ),
        (
            "recommendation_lift_ratio",
            "select 'moovitamix', avg(1.0 * converted_count / recommended_count "
            "- 1.0 * shadow_converted_count / shadow_count) "
            "from marts.fct_recommendation_outcomes where is_window_complete "
            "group by for_date order by for_date desc limit 1",
        ),
        ("champion_info", "select 'moovitamix', '2', 1"),
        (
            "feed_published_timestamp_seconds",
            "select 'moovitamix', extract(epoch from min(boundary_at)) from raw_moovitamix.crawls",
        ),
        (
            "model_decision_timestamp_seconds",
            "select decision, 'moovitamix', extract(epoch from decided_at) "
            "from recommendations.promotions",
        ),
    ],
)
def test_values_are_those_of_the_warehouse(
    lived_in: Settings, samples: Samples, name: str, query: str
) -> None:
    exposed = named(samples, name)
    with psycopg.connect(lived_in.database_url) as connection:
        rows = connection.execute(query.encode()).fetchall()
    assert rows
    for *labels, value in rows:
        assert exposed[tuple(labels)] == pytest.approx(float(value)), labels


def test_rows_add_up_to_what_was_reported(lived_in: Settings, samples: Samples) -> None:
    rows = named(samples, "last_load_rows")
    assert [rows[outcome, "users"] for outcome in ("landed", "duplicate", "rejected")] == [60, 1, 1]
    with psycopg.connect(lived_in.database_url) as connection:
        reported = connection.execute(
            "select users_reported from raw_moovitamix.crawls order by boundary_at desc limit 1"
        ).fetchone()
    assert reported == (62,)


def test_what_failed_and_what_is_not_so_are_told_apart(samples: Samples) -> None:
    status = named(samples, "last_run_status")
    assert [state for (command, state), is_so in status.items() if is_so] == ["succeeded", "failed"]
    assert named(samples, "last_run_attempt")["listenhouse run",] == 1
    assert named(samples, "findings")["run_failed", "critical"] == 1
    assert named(samples, "findings")["conservation_broken", "critical"] == 0


def test_counters_go_on_where_they_were_when_the_server_starts_anew(settings: Settings) -> None:
    scrapes = []
    for _ in range(3):
        with pytest.raises(SourceError):
            run_load(settings.but(request_attempts=1))
        with served(settings) as url:
            scrapes.append(parse(requests.get(url, timeout=10).text))
    command = "dlt pipeline listen_history run"
    assert [named(found, "runs_total")[command, "failed"] for found in scrapes] == [1, 2, 3]
    requested = [sum(named(found, "http_requests_total").values()) for found in scrapes]
    assert 0 < requested[0] < requested[1] < requested[2]


def test_a_database_that_is_down_is_a_metric(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    closed = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/music"
    with served(settings.but(external_database_url=closed)) as url:
        answers = [requests.get(url, timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    found = parse(answers[-1].text)
    assert only(found, "up") == 0
    assert named(found, "scrape_part_success") == {}
    # said once, not at every scrape
    (complaint,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "check LISTENHOUSE_DATABASE_URL" in complaint.getMessage()
    assert "hunter2" not in caplog.text + answers[-1].text


def test_a_server_that_accepts_and_is_silent_is_down(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/music"
        found = parse(read_metrics(settings.but(external_database_url=url)))
    assert only(found, "up") == 0
    assert only(found, "scrape_duration_seconds") < 6


def test_a_server_that_goes_down_in_the_middle_is_down(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ending = replace(PARTS[0], query="select pg_terminate_backend(pg_backend_pid())")
    monkeypatch.setattr(prometheus_metrics, "PARTS", (ending, *PARTS))
    found = parse(read_metrics(settings))
    assert only(found, "up") == 0
    (complaint,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "part=database" in complaint.getMessage()


def test_before_the_first_run_there_is_nothing_and_it_says_so(settings: Settings) -> None:
    outcome = run_command(
        "listenhouse",
        "metrics",
        "show",
        environment={
            "LISTENHOUSE_DATABASE_URL": settings.database_url,
            "LISTENHOUSE_HOME": str(settings.home),
        },
    )
    found = parse(outcome.stdout)
    assert outcome.returncode == 0
    assert only(found, "up") == 1
    # what not every warehouse has is not missed
    assert unread(found) == {part.name for part in PARTS if not part.only_with}
    assert 'relation "ops.runs" does not exist' in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_first_run_that_fails_is_seen_without_any_model(settings: Settings) -> None:
    with pytest.raises(SourceError):
        run_load(settings.but(request_attempts=1))

    found = parse(read_metrics(settings))

    command = "dlt pipeline listen_history run"
    assert named(found, "last_run_status")[command, "failed"] == 1
    assert named(found, "runs_total")[command, "failed"] == 1
    assert "findings" in unread(found)


def test_a_part_that_is_locked_costs_its_own_metrics_only(
    lived_in: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        psycopg.connect(lived_in.database_url) as connection,
        monkeypatch.context() as patience,
    ):
        patience.setattr(prometheus_metrics, "_PART_SECONDS", 0.1)
        connection.execute("lock table health.int_latest_anomalies")
        found = parse(read_metrics(lived_in))
    assert (
        {"daily_metrics", "anomalies"}
        <= unread(found)
        <= {
            "daily_metrics",
            "anomalies",
            "findings",
        }
    )
    assert only(found, "up") == 1
    assert named(found, "runs_total")
    assert unread(parse(read_metrics(lived_in))) == set()


def test_what_cannot_be_read_any_more_is_said_once_and_so_is_its_return(
    lived_in: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(prometheus_metrics, "_PART_SECONDS", 0.1)
    with served(lived_in) as url:
        with psycopg.connect(lived_in.database_url) as connection:
            connection.execute("lock table ops.steps")
            for _ in range(3):
                assert "steps" in unread(parse(requests.get(url, timeout=10).text))
        requests.get(url, timeout=10)
    said = [record.getMessage() for record in caplog.records if "part=steps" in record.message]
    assert [line.split(" part=")[0] for line in said] == ["metrics not read", "metrics read again"]


def test_scrapes_at_the_same_time_all_get_everything(lived_in: Settings) -> None:
    with served(lived_in) as url, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.get(url, timeout=10).text, range(16)))
    assert {only(parse(answer), "up") for answer in answers} == {1}
    assert {len(parse(answer)) for answer in answers} == {len(parse(answers[0]))}


def test_scrapes_that_hang_do_not_pile_up(
    lived_in: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_metrics, "_CONNECT_SECONDS", 1)
    monkeypatch.setattr(prometheus_metrics, "_PARTS_SECONDS", 3)
    collector = prometheus_metrics.WarehouseCollector(lived_in)
    registry = CollectorRegistry()
    registry.register(collector)
    sessions = "select count(*) from pg_stat_activity where application_name = %s"
    with (
        psycopg.connect(lived_in.database_url) as holder,
        psycopg.connect(lived_in.database_url, autocommit=True) as watcher,
        ThreadPoolExecutor(9) as pool,
    ):
        # every scrape waits for it as long as it may
        holder.execute("lock table ops.runs, ops.steps, ops.loads, ops.http_requests")
        scrapes = [pool.submit(generate_latest, registry) for _ in range(9)]
        most = 0
        while not all(scrape.done() for scrape in scrapes):
            row = watcher.execute(sessions, ("listenhouse metrics",)).fetchone()
            most = max(most, row[0] if row else 0)
        ups = [only(parse(scrape.result().decode()), "up") for scrape in scrapes]
    assert most == 4
    assert sorted(ups) == [0] * 5 + [1] * 4


def test_a_scrape_changes_nothing(lived_in: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = replace(PARTS[0], query="delete from ops.schema_changes")
    monkeypatch.setattr(prometheus_metrics, "PARTS", (writing,))
    assert unread(parse(read_metrics(lived_in))) == {"runs"}


def test_a_port_in_use_is_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run_command(
            "listenhouse",
            "metrics",
            "serve",
            environment={
                "LISTENHOUSE_DATABASE_URL": settings.database_url,
                "LISTENHOUSE_METRICS_PORT": str(port),
            },
        )
    assert outcome.returncode == 1
    assert f"127.0.0.1:{port} (Address already in use)" in outcome.stderr
    assert "LISTENHOUSE_METRICS_PORT" in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_an_address_that_is_not_ours_is_one_line(settings: Settings) -> None:
    with pytest.raises(MetricsServerError, match="--host"):
        start_server(settings, "no-such-host.invalid", free_port())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_ends_when_it_is_told_to(
    settings: Settings, number: signal.Signals, tmp_path: Path
) -> None:
    port = free_port()
    process = start_command(
        *("listenhouse", "metrics", "serve", f"--port={port}"),
        environment={"LISTENHOUSE_DATABASE_URL": settings.database_url},
        folder=tmp_path,
    )
    stdout, stderr = tmp_path / "stdout", tmp_path / "stderr"
    while not (stdout.exists() and stdout.read_text().endswith("\n")):
        process.join(0.05)
        assert process.is_alive(), stderr.read_text()
    assert f"http://127.0.0.1:{port}/metrics" in stdout.read_text()
    assert only(parse(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text), "up") == 1
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(10)
    assert process.exitcode == 0
    assert "Traceback" not in stderr.read_text()


def test_a_file_for_node_exporter_is_written_whole(lived_in: Settings, tmp_path: Path) -> None:
    write_metrics(lived_in, tmp_path / "listenhouse.prom")
    assert [file.name for file in tmp_path.iterdir()] == ["listenhouse.prom"]
    written = (tmp_path / "listenhouse.prom").read_text()
    # those of the process that wrote it would clash with node_exporter's own
    assert "process_" not in written
    assert promtool("check", "metrics", given=written).returncode == 0
    with pytest.raises(OutputError, match="--output"):
        write_metrics(lived_in, tmp_path / "no" / "folder.prom")


def test_the_server_tells_of_itself_too(lived_in: Settings) -> None:
    with served(lived_in) as url:
        text = requests.get(url, timeout=10).text
    if sys.platform == "linux":
        assert "process_resident_memory_bytes" in text
    assert promtool("check", "metrics", given=text).returncode == 0


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs."""

    url: str
    process: subprocess.Popen[bytes]

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The answer to a query of now."""
        answer = requests.get(
            f"{self.url}/api/v1/query", params={"query": query}, timeout=10
        ).json()
        assert answer["status"] == "success", (query, answer)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def wait_for(self, query: str) -> list[dict[str, Any]]:
        """Waits until there is an answer to a query."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError, requests.JSONDecodeError):
                if found := self.ask(query):
                    return found
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"Prometheus ended with {self.process.wait(timeout=0.2)}")
        pytest.fail(f"Prometheus has no answer to {query}")


@pytest.fixture(scope="module")
def prometheus(
    lived_in: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus with our configuration, but for the target and more scrapes."""
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    configuration = yaml.safe_load((RULES / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
    configuration["rule_files"] = [str(RULES / "alerts.yml")]
    with served(lived_in) as target, (folder / "log").open("w") as log:
        (job,) = configuration["scrape_configs"]
        job["static_configs"] = [{"targets": [urlsplit(target).netloc]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        process = subprocess.Popen(
            [
                programs.find("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            running = Prometheus(f"http://{address}", process)
            # what grows is counted from the second scrape on
            running.wait_for("count_over_time(listenhouse_up[1m]) > 2")
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)


PANELS = [
    (f"{panel['title']} {target['refId']}", target["expr"])
    for panel in json.loads(dashboard.FILE.read_text())["panels"]
    for target in panel.get("targets", [])
]


@pytest.mark.parametrize(("title", "query"), PANELS, ids=[title for title, _ in PANELS])
def test_every_panel_of_the_dashboard_has_data(
    prometheus: Prometheus, title: str, query: str
) -> None:
    (up,) = prometheus.wait_for("listenhouse_up")
    chosen = {
        "$instance": up["metric"]["instance"],
        "$metric": "listens_new",
        "$subject": "fct_listens",
    }
    for variable, value in chosen.items():
        query = query.replace(variable, value)
    assert "$" not in query
    # a scrape that took too long, on a busy machine, leaves a moment without
    assert prometheus.wait_for(query), title


def test_every_variable_of_the_dashboard_has_values(prometheus: Prometheus) -> None:
    _, *variables = json.loads(dashboard.FILE.read_text())["templating"]["list"]
    chosen: dict[str, str] = {}
    for variable in variables:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert found is not None
        series, label = found.groups()
        for name, value in chosen.items():
            series = series.replace(f"${name}", value)
        chosen[variable["name"]] = min(
            result["metric"][label] for result in prometheus.wait_for(series)
        )
    assert list(chosen) == ["instance", "metric", "subject"]


def test_the_failed_run_is_an_alert(prometheus: Prometheus) -> None:
    (alert,) = prometheus.wait_for('ALERTS{alertname="ListenhouseRunFailed"}')
    assert (alert["metric"]["alertstate"], alert["metric"]["severity"]) == ("firing", "critical")
    alerts = {result["metric"]["alertname"] for result in prometheus.ask("ALERTS")}
    assert "ListenhouseAnomaly" in alerts
    assert not {"ListenhouseMetricsDown", "ListenhouseDatabaseDown"} & alerts
