"""What those who run the API look at."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import cached_page
from serving.app import create_app
from tests.serving.answers import LIST, problem
from tests.serving.conftest import running, serving, settings_for
from warehouse.errors import DatabaseError


def test_a_process_that_answers_is_alive_and_ready_with_a_batch(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}
    assert api.get("/readyz").json() == {"status": "ready", "latest_date": "2026-03-02"}


def test_the_health_page_is_made_once_for_all_who_ask(listed: str) -> None:
    made: list[int] = []

    def make_page() -> str:
        made.append(len(made))
        return f"<!doctype html><p>{len(made)}"

    with serving(settings_for(listed), make_page) as client, ThreadPoolExecutor(8) as many:
        assert made == [], "nobody asked yet"
        answers = list(many.map(lambda _: client.get("/health"), range(20)))
    assert {answer.text for answer in answers} == {"<!doctype html><p>1"}
    assert answers[0].headers["content-type"] == "text/html; charset=utf-8"


def test_the_health_page_is_made_anew_after_a_while(
    listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_page, "_FRESH_SECONDS", 0)
    pages = iter(("<!doctype html>first", "<!doctype html>second"))
    with serving(settings_for(listed), lambda: next(pages)) as client:
        assert client.get("/health").text.endswith("first")
        assert client.get("/health").text.endswith("second")


def test_a_health_page_that_cannot_be_made_is_503_and_the_log_says_why(
    listed: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise DatabaseError("No connection to db.example")

    with serving(settings_for(listed), fail) as client:
        body = problem(client.get("/health"), 503, "no-page")
    assert "db.example" not in str(body)
    assert "db.example" in caplog.text


def test_a_fault_of_ours_is_500_without_its_cause(
    database_url: str, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    connection.execute("create schema recommendations")
    # not what the recommender makes of it
    connection.execute("create table recommendations.batches (source_name text, for_date json)")
    with serving(settings_for(database_url)) as client:
        body = problem(client.get("/readyz"), 500)
        assert "json" not in str(body)
        assert client.get("/healthz").status_code == 200
        assert counts(client)["/readyz", "500"] == 1
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "/readyz" in str(record.msg)
    assert "function max(json) does not exist" in caplog.text


def test_metrics_count_by_route_and_status_without_an_id(listed: str) -> None:
    app = create_app(settings_for(listed), str)
    with running(app) as url, httpx.Client(base_url=url) as client:
        for path in (LIST, LIST, f"{LIST}?limit=0", "/v1/users/secret-id/recommendations"):
            client.get(path)
        client.head("/v1/popular")
        client.get("/nowhere/secret-id")
        assert counts(client) == {
            ("/v1/users/{user_id}/recommendations", "200"): 2,
            ("/v1/users/{user_id}/recommendations", "422"): 1,
            ("/v1/users/{user_id}/recommendations", "404"): 1,
            ("/v1/popular", "200"): 1,
            ("other", "404"): 1,
        }
        text = client.get("/metrics").text
    assert "secret-id" not in text
    (durations,) = [
        family
        for family in text_string_to_metric_families(text)
        if family.name == "listenhouse_serving_request_duration_seconds"
    ]
    observed = {
        sample.labels["route"]: sample.value
        for sample in durations.samples
        if sample.name.endswith("_count")
    }
    assert observed["/v1/users/{user_id}/recommendations"] == 4


def counts(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Requests by route and status."""
    return {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "listenhouse_serving_requests_total"
    }
