"""A warehouse that the real pipeline built, and the system's Chromium to look at pages with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright
from psycopg import sql

from ingestion.landing.load import load
from ingestion.load_command import run_load
from simulator import World, WorldConfig, create_app, running
from tests import programs
from tests.conftest import copied_database
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from tests.drills.proxy import Fault, running_proxy
from tests.recommendations import decide, recommend, train
from tests.templates import template
from warehouse.errors import SourceError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

WORLD = WorldConfig(users=250, tracks=150, seed=3, start_date=date(2025, 3, 1))
DAYS = (0, 9, 16, 21, 26, 31)


def _build_month(url: str, folder: Path) -> None:
    app = create_app(World.at(DAYS[0], WORLD))
    with running(app) as api_url:
        settings = Settings(home=folder, external_database_url=url, external_api_url=api_url)
        for day in DAYS:
            app.state.world = World.at(day, WORLD)
            with hold_run_lock(settings) as lock:
                load(settings, lock)
    Warehouse(url, folder).dbt(*BUILD_UNTESTED)


@pytest.fixture(scope="session")
def warehouse(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """A month of a simulated world, crawled six times and built once."""
    folder = tmp_path_factory.mktemp("month")
    with template(postgres_server, "month", _build_month, folder) as url:
        yield Warehouse(url, folder)


WATCHED_DAYS = 13
"""Days of the watched warehouse, the last of which is today."""

FAILED_DAY, RETRIED_DAY, SLOW_DAY, SPOILED_DAY = 4, 6, 8, 11


@contextmanager
def watched_warehouse(postgres_server: str, folder: Path) -> Iterator[Warehouse]:
    """A warehouse after a fortnight of recorded runs, one a day, in which things went wrong.

    One run met an API that was out of order, and failed. One had to try again. One was slow, as
    its record says. The last two met tracks without a date, and users with a field more. The last
    one met no new listen, and it alone built and tested the models. Lists were made each day, and
    models trained twice: the first was promoted, the second refused.
    """
    with template(postgres_server, "watched", _watch, folder) as url:
        yield Warehouse(url, folder)


def _watch(database_url: str, folder: Path) -> None:
    warehouse = Warehouse(database_url, folder)
    app = create_app(World.at(0, WORLD))
    with running(app) as url, running_proxy() as proxy:
        settings = Settings(
            home=warehouse.folder,
            external_database_url=warehouse.url,
            external_api_url=proxy.url,
            request_attempts=3,
            retry_wait_seconds=0.01,
            trigger="cron",
        )
        faults = {
            FAILED_DAY: Fault("500", "tracks", times=None),
            RETRIED_DAY: Fault("503", "listen_history", page=2),
        }
        for day in range(WATCHED_DAYS):
            # what was served yesterday is served again today
            app.state.world = World.at(min(day, WATCHED_DAYS - 2), WORLD)
            proxy.serve(url, _spoil if day >= SPOILED_DAY else None)
            proxy.plan(*(fault for on, fault in faults.items() if on == day))
            if day == WATCHED_DAYS - 1:
                break
            with suppress(SourceError):
                run_load(settings)
            if day == SLOW_DAY:
                _take_longer(warehouse)
            let_a_day_pass(warehouse.url)
        _recommend_daily(warehouse)
        outcome = warehouse.command(
            *("listenhouse", "run"),
            environment={
                "LISTENHOUSE_HOME": str(warehouse.folder),
                "LISTENHOUSE_API_URL": proxy.url,
                "LISTENHOUSE_TRIGGER": "cron",
            },
        )
        assert outcome.returncode == 0, outcome.stderr


def _spoil(endpoint: str, records: list[bytes]) -> list[bytes]:
    """Takes the date off a dozen tracks, and gives users a field that nobody declared."""
    if endpoint == "tracks":
        spoiled = [record.replace(b'"created_at":"', b'"created_at":"no ') for record in records]
        return spoiled[:12] + records[12:]
    if endpoint == "users":
        return [record.replace(b"{", b'{"country":"CA",', 1) for record in records]
    return records


def _recommend_daily(warehouse: Warehouse) -> None:
    """Recommends to some users what they come to listen to, all of it or the half."""
    with psycopg.connect(warehouse.url) as connection:
        listened: list[tuple[str, list[str]]] = connection.execute(
            "select user_id::text, array(select distinct json_array_elements_text(items))"
            " from raw_moovitamix.listen_history"
            " where _dlt_valid_to is null and json_array_length(items) > 20 order by user_id"
        ).fetchall()
        crawls = connection.execute("select boundary_at from raw_moovitamix.crawls order by 1")
        boundaries = [boundary for (boundary,) in crawls]
        lists = {user: tracks[:10] for user, tracks in listened[:40]}
        shadow = {
            user: tracks[:5] + [f"no {number}" for number in range(5)]
            for user, tracks in lists.items()
        }
        for boundary in boundaries:
            recommend(connection, boundary.date(), boundary, lists, shadow, model_version="2")
        popularity, better, worse = (0.12, 0.11, 0.13), (0.16, 0.15, 0.17), (0.15, 0.13, 0.17)
        first = train(connection, boundaries[0], {"challenger": better, "popularity": popularity})
        second = train(
            connection,
            boundaries[-1],
            {"champion": better, "challenger": worse, "popularity": popularity},
        )
        decide(connection, boundaries[0], "promoted", to_version="2", training_id=first)
        decide(
            connection,
            boundaries[-1],
            "refused",
            training_id=second,
            from_version="2",
            to_version="3",
            reason="No better than the champion.",
            metric="ndcg@20",
            difference=-0.01,
            lower=-0.02,
            upper=0.003,
            user_count=200,
        )


def _take_longer(warehouse: Warehouse) -> None:
    """Records the last run as if it had taken 80 seconds more."""
    for table in ("ops.runs", "ops.steps"):
        warehouse.execute(
            f"update {table} set ended_at = ended_at + interval '80 s' where run_id ="
            " (select run_id from ops.runs order by started_at desc limit 1)"
        )


def let_a_day_pass(url: str) -> None:
    """Moves everything that is recorded and landed a day into the past."""
    with psycopg.connect(url) as connection:
        columns = connection.execute(
            """
            select columns.table_schema, columns.table_name, columns.column_name
            from information_schema.columns
            inner join information_schema.tables using (table_schema, table_name)
            where
                columns.table_schema in ('ops', 'raw_moovitamix')
                and columns.data_type = 'timestamp with time zone'
                and tables.table_type = 'BASE TABLE'
            """
        ).fetchall()
        for schema, table, column in columns:
            connection.execute(
                sql.SQL("update {table} set {column} = {column} - interval '1 day'").format(
                    table=sql.Identifier(schema, table), column=sql.Identifier(column)
                )
            )


@pytest.fixture
def copied(watched: Warehouse, tmp_path: Path) -> Iterator[Warehouse]:
    """A copy of the watched warehouse, to change."""
    with copied_database(watched.url, "copied") as url:
        yield replace(watched, url=url, folder=tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the system, without a window."""
    chromium = programs.find("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()
