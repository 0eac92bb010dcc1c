"""What a run leaves behind, however it ends; and that leaving it never ends a run."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest

from ingestion.crawl.pages import PageReader
from ingestion.endpoint import Endpoint
from ingestion.landing.load_record import recorded_requests
from ingestion.sources.moovitamix import ENDPOINTS
from tests.ingestion.scripted_api import Answer, ScriptedApi, serve, user
from warehouse.errors import SourceError, Termination
from warehouse.ops.run_history import read_runs
from warehouse.ops.run_record import RunRecord
from warehouse.settings import Settings


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def run_that_raises(settings: Settings, error: BaseException) -> None:
    record = RunRecord(settings, "a test")
    with record.run():
        record.begin()
        with record.step("load"):
            raise error


def test_a_run_is_recorded_with_its_steps_and_what_they_used(
    settings: Settings, connection: psycopg.Connection
) -> None:
    record = RunRecord(settings, "a test")
    with record.step("before the database answers"):
        pass
    with record.run():
        record.begin()
        with record.step("load"):
            # more than the hundredth of a second that the kernel counts in
            sum(range(10_000_000))

    assert rows(connection, "select command, trigger, attempt, status from ops.runs") == [
        ("a test", "manual", 1, "succeeded")
    ]
    steps = rows(
        connection,
        "select step, status, ended_at >= started_at, cpu_seconds > 0, peak_memory_bytes > 1e6"
        " from ops.steps order by started_at",
    )
    assert [step[:3] for step in steps] == [
        ("before the database answers", "succeeded", True),
        ("load", "succeeded", True),
    ]
    assert steps[1][3:] == (True, True)


def test_a_run_that_fails_says_in_which_step_and_why(
    settings: Settings, connection: psycopg.Connection
) -> None:
    with pytest.raises(SourceError):
        run_that_raises(settings, SourceError("The API is gone."))

    (run,) = read_runs(settings, 10)
    assert (run["status"], run["failed_step"], run["message"]) == (
        "failed",
        "load",
        "The API is gone.",
    )
    assert rows(connection, "select status, message from ops.steps") == [
        ("failed", "The API is gone.")
    ]


def test_an_interrupted_run_is_told_from_a_failed_one(
    settings: Settings, connection: psycopg.Connection
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_that_raises(settings, KeyboardInterrupt())
    # a person stops a run with Ctrl-C, a scheduler whose patience ends with SIGTERM
    with pytest.raises(Termination):
        run_that_raises(settings, Termination())
    assert rows(connection, "select status from ops.runs order by started_at") == [
        ("interrupted",),
        ("failed",),
    ]


def test_a_run_that_died_is_marked_by_the_next_and_counts_as_an_attempt(
    settings: Settings, connection: psycopg.Connection
) -> None:
    dead = RunRecord(settings, "a test")
    dead.begin()
    step = dead.step("load")
    step.__enter__()
    for _ in range(2):
        record = RunRecord(settings, "a test")
        with record.run():
            record.begin()
    assert rows(connection, "select status, attempt from ops.runs order by started_at") == [
        ("died", 1),
        ("succeeded", 2),
        ("succeeded", 1),
    ]
    assert rows(connection, "select status from ops.steps") == [("died",)]


def test_a_record_that_cannot_be_written_does_not_fail_the_run(
    settings: Settings, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    # whatever other tests of this process made of it
    caplog.set_level(logging.WARNING)
    record = RunRecord(settings, "a test")
    with record.run():
        record.begin()
        connection.execute("drop schema ops cascade")
        with record.step("load"):
            pass
    assert "no longer recorded" in caplog.text
    # nor is a later one spoilt
    again = RunRecord(settings, "a test")
    with again.run():
        again.begin()
    assert rows(connection, "select status from ops.runs") == [("succeeded",)]


def test_the_requests_of_a_load_that_fails_are_recorded(
    settings: Settings, connection: psycopg.Connection
) -> None:
    (users, *_) = ENDPOINTS
    scripted = ScriptedApi()
    scripted.records = {"users": [user(1)]}
    scripted.fault = lambda _api, _endpoint, _page, _call: Answer(b"down", 503)
    with serve(scripted), pytest.raises(SourceError):
        read_first_page(settings.but(external_api_url=scripted.url), users)
    assert rows(
        connection,
        "select endpoint, requests, received_bytes, statuses, retries,"
        " latency_p50_seconds <= latency_max_seconds from ops.http_requests",
    ) == [("users", 3, 12, {"503": 3}, {"status 503": 2}, True)]


def read_first_page(settings: Settings, endpoint: Endpoint) -> None:
    record = RunRecord(settings, "a test")
    with record.run():
        record.begin()
        with recorded_requests(record) as http:
            reader = PageReader(settings.but(request_attempts=3, retry_wait_seconds=0.01), http)
            try:
                reader.read(endpoint, 1)
            finally:
                reader.close()
