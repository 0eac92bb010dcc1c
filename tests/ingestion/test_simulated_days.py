"""Loads of a world that lives, day after day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from simulator import World, WorldConfig, create_app, running
from tests.ingestion.conftest import Landing
from warehouse.settings import Settings

WORLD = WorldConfig(users=220, tracks=150, seed=3)


@pytest.fixture
def app() -> FastAPI:
    """The source, on day 0."""
    return create_app(World.at(0, WORLD))


@pytest.fixture
def landing(settings: Settings, connection: psycopg.Connection, app: FastAPI) -> Iterator[Landing]:
    """Landing of that source in an empty database."""
    with running(app) as url:
        yield Landing(settings.but(external_api_url=url), connection)


def served(world: World) -> dict[str, list[Any]]:
    """What the source holds, as landing should read."""
    return {
        "users": sorted((row["id"], row["email"]) for row in world.rows("users")),
        "tracks": sorted((row["id"], row["name"]) for row in world.rows("tracks")),
        "listen_history": sorted(
            (row["user_id"], row["items"]) for row in world.rows("listen_history")
        ),
    }


def current(landing: Landing) -> dict[str, list[Any]]:
    """What landing holds valid."""
    columns = {"users": "id, email", "tracks": "id, name", "listen_history": "user_id, items"}
    return {
        table: sorted(
            landing.rows(f"select {names} from raw_moovitamix.{table} where _dlt_valid_to is null")
        )
        for table, names in columns.items()
    }


def test_each_day_landing_reads_as_the_source_does(landing: Landing, app: FastAPI) -> None:
    for day in range(3):
        app.state.world = World.at(day, WORLD)
        landing.load()
        assert current(landing) == served(app.state.world)


def test_a_week_of_missed_days_is_made_up_by_the_next_load(landing: Landing, app: FastAPI) -> None:
    landing.load()
    app.state.world = World.at(8, WORLD)
    report = landing.load()

    assert report.opened["listen_history"] > 0
    assert current(landing) == served(app.state.world)
    # two crawls know of two versions of a record at most
    assert landing.rows(
        "select max(versions) from (select count(*) as versions from raw_moovitamix.users "
        "group by id) as counted"
    ) == [(2,)]


def test_a_day_that_is_run_again_stores_nothing(landing: Landing) -> None:
    landing.load()
    again = landing.load()

    assert set(again.opened.values()) | set(again.closed.values()) == {0}
