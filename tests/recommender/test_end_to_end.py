"""From two crawls to recommendations: on marts that dbt built, with commands as people run them.

All of it by a login whose sessions begin with everything otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ingestion.landing.load import load
from simulator import World, WorldConfig, create_app, running
from tests.commands import run_command
from tests.dbt_project.warehouse_build import Warehouse
from tests.odd_sessions import ODD, odd_login
from warehouse.database import SESSION
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

WORLD = WorldConfig(users=220, tracks=120, seed=3)
FEATURES = ("+rpt_user_track_affinities", "+rpt_user_features", "+rpt_track_features")


@pytest.fixture
def settings(settings: Settings) -> Iterator[Settings]:
    """Settings of a login whose sessions are pinned, or fail at once."""
    assert set(ODD) == set(SESSION)
    with odd_login(settings.database_url) as url:
        yield settings.but(external_database_url=url)


@pytest.fixture
def warehouse(settings: Settings, tmp_path: Path) -> Warehouse:
    """A simulated world, crawled on two days, built once."""
    warehouse = Warehouse(settings.database_url, tmp_path)
    app = create_app(World.at(0, WORLD))
    with running(app) as url:
        crawled = settings.but(external_api_url=url)
        for day in (0, 9):
            app.state.world = World.at(day, WORLD)
            with hold_run_lock(crawled) as lock:
                load(crawled, lock)
    warehouse.dbt("build", "--exclude-resource-type", "test", "unit_test", "--select", *FEATURES)
    return warehouse


@pytest.mark.usefixtures("warehouse")
def test_a_warehouse_that_was_just_built_gets_a_model_and_lists(
    settings: Settings, connection: psycopg.Connection
) -> None:
    environment = {
        "LISTENHOUSE_DATABASE_URL": settings.database_url,
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_MODELS": str(settings.home / "elsewhere"),
    }

    trained = run_command("listenhouse", "retrain", "--if-needed", environment=environment)
    recommended = run_command("listenhouse", "recommend", environment=environment)

    # no word of MLflow's, no warning
    assert (trained.returncode, trained.stderr) == (0, "")
    assert trained.stdout.startswith("first: needed. There is no champion yet.\nTrained on ")
    assert (recommended.returncode, recommended.stderr) == (0, "")
    assert "users have recommendations for" in recommended.stdout
    assert len(list((settings.home / "elsewhere" / "moovitamix").iterdir())) == 2
    ((users, lists, shortest, twice, heard, gone),) = connection.execute(
        """
        with lists as (
            select
                user_id,
                count(*) as length,
                count(distinct track_id) as tracks
            from recommendations.recommendations
            group by user_id
        )
        select
            (select count(*) from marts.rpt_user_features where not is_deleted),
            (select count(*) from lists),
            (select min(length) from lists),
            (select count(*) from lists where tracks < length),
            (
                select count(*)
                from recommendations.recommendations
                inner join marts.rpt_user_track_affinities using (source_name, user_id, track_id)
            ),
            (
                select count(*)
                from recommendations.recommendations as listed
                left join marts.rpt_track_features as tracks
                    on listed.track_id = tracks.track_id
                    and not tracks.is_deleted
                    and not tracks.is_inferred
                where tracks.track_id is null
            )
        """
    ).fetchall()
    assert users == lists > 200
    assert (shortest, twice, heard, gone) == (20, 0, 0, 0)
