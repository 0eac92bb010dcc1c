"""A warehouse that the real pipeline built, and the system's Chromium to look at pages with."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright
from psycopg import sql

from ingestion.landing import load
from simulator import World, WorldConfig, create_app, running
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WORLD = WorldConfig(users=250, tracks=150, seed=3, start_date=date(2025, 3, 1))
DAYS = (0, 9, 16, 21, 26, 31)


@pytest.fixture(scope="module")
def warehouse(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """A month of a simulated world, crawled six times and built once."""
    name = f"test_{uuid.uuid4().hex}"
    folder = tmp_path_factory.mktemp("warehouse")
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        warehouse = Warehouse(f"{postgres_server}/{name}", folder)
        app = create_app(World.at(DAYS[0], WORLD))
        with running(app) as url:
            settings = Settings(
                home=folder, external_database_url=warehouse.url, external_api_url=url
            )
            for day in DAYS:
                app.state.world = World.at(day, WORLD)
                with hold_run_lock(settings) as lock:
                    load(settings, lock)
        warehouse.dbt(*BUILD_UNTESTED)
        yield warehouse
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the system, without a window."""
    found = next((path for path in map(shutil.which, CHROMIUM) if path), None)
    if found is None:
        pytest.fail(
            "No Chromium to open the page in: install it (Debian and Ubuntu: `apt-get install "
            f"chromium`) so that one of {', '.join(CHROMIUM)} is on the PATH."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()
