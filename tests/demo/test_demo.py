"""`make demo`: days of the simulated world, the last of them today, in a house of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest

from operations.services import embedded_postgres
from tests.commands import run_command
from tests.conftest import free_port
from warehouse.settings import Settings

DAYS = 3


def demo(settings: Settings, environment: dict[str, str] | None = None) -> CompletedProcess[str]:
    options = f"--days {DAYS} --users 100 --port {settings.embedded_port} --home {settings.home}"
    return run_command("python", "-m", "demo", *options.split(), environment=environment or {})


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "demo", embedded_port=free_port())
    yield settings
    if settings.home.exists():
        embedded_postgres.stop(settings)


def test_days_are_lived_up_to_today_and_the_last_one_is_tested(settings: Settings) -> None:
    # the warehouse that the user has is not the demo's
    elsewhere = {"LISTENHOUSE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    before = datetime.now(UTC).date()
    outcome = demo(settings, elsewhere)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"({DAYS} of {DAYS}): " in outcome.stdout
    for page in (settings.listening_page_file, settings.health_page_file):
        assert str(page) in outcome.stdout
        assert page.stat().st_size > 50_000
    assert (settings.home / "world.txt").read_text().startswith(f"{DAYS} simulated days up to ")
    # nothing of it runs on
    assert embedded_postgres.read_state(settings).port is None

    embedded_postgres.start(settings)
    with psycopg.connect(settings.database_url) as connection:

        def days(query: str) -> list[date]:
            return [row[0] for row in connection.execute(query.encode())]  # its own query

        expected = [before + timedelta(days=day) for day in range(1 - DAYS, 1)]
        boundaries = "select {}::date from raw_moovitamix.crawls order by 1"
        assert days(boundaries.format("boundary_at")) == expected
        # by the clock of PostgreSQL
        assert days(boundaries.format("committed_at")) == expected
        assert days("select for_date from recommendations.batches order by 1") == expected
        assert days("select started_at::date from ops.runs order by 1") == expected
        tested = "select distinct run_at::date from health.fct_dbt_results"
        assert days(f"{tested} where resource_type = 'test'") == expected[-1:]
        assert days("select max(listened_date) from marts.fct_listens") == [
            before - timedelta(days=1)
        ]
        # the day gone wrong
        assert days(
            "select distinct measured_date from health.fct_daily_load_metrics"
            " where metric_name = 'records_rejected' and value > 30 order by 1"
        ) == [expected[1]]


def test_a_folder_of_somebody_else_is_left_alone(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "thesis.txt").write_text("all of it")
    outcome = demo(settings)
    assert outcome.returncode == 1
    assert "holds something else: name an empty folder with --home" in outcome.stderr
    assert (settings.home / "thesis.txt").read_text() == "all of it"
