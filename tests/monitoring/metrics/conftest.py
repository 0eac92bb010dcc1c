"""A warehouse with ten days behind it, good ones and bad ones, made by the real commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from ingestion.load_command import run_load
from tests.conftest import copied_database, empty_database
from tests.dbt_project.warehouse_build import Warehouse
from tests.ingestion.scripted_api import Answer, ScriptedApi, history, serve, track, user
from tests.monitoring.conftest import let_a_day_pass
from tests.recommendations import decide, recommend, train
from warehouse.settings import Settings

DAYS = 9


@pytest.fixture(scope="module")
def lived_in(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Nine daily loads, a run with all that can be odd, a run that fails."""
    folder = tmp_path_factory.mktemp("lived_in")
    with ExitStack() as stack:
        api = stack.enter_context(serve(ScriptedApi()))
        with empty_database(postgres_server) as url:
            settings = Settings(
                home=folder, external_database_url=url, external_api_url=api.url, crawl_threads=2
            )
            for day in range(DAYS):
                serve_day(api, day)
                run_load(settings)
                let_a_day_pass(url)
            recommend_daily(url)
            # far more listens than any day before, the same record twice, one that does not fit,
            # and an API that is busy at first
            serve_day(api, DAYS * 3)
            api.records["users"] += [api.records["users"][0], user(900, created_at="yesterday")]
            api.calls.clear()
            api.fault = lambda _api, _endpoint, _page, call: Answer(b"", 503) if call == 1 else None
            run(settings)
            api.fault = lambda *_call: Answer(b"gone", 404)
            run(settings, code=1)
            kept_url = stack.enter_context(copied_database(url, "lived_in"))
        yield settings.but(external_database_url=kept_url)


def serve_day(api: ScriptedApi, day: int) -> None:
    """The source on a day: a few listens more for everyone, of tracks without a record, too."""
    api.records = {
        "users": [user(number, gender=None if number < 4 else "Female") for number in range(1, 61)],
        "tracks": [track(number) for number in range(1, 31)],
        "listen_history": [
            history(
                number,
                [1 + (number + listen) % 32 for listen in range(5 + day * 2)],
                updated_at=f"2026-03-{1 + day:02}T10:00:00",
            )
            for number in range(1, 61)
        ],
    }


def recommend_daily(url: str) -> None:
    """Lists as of each crawl, and a model that was promoted before another was refused."""
    with psycopg.connect(url) as connection:
        crawls = connection.execute("select boundary_at from raw_moovitamix.crawls order by 1")
        boundaries = [boundary for (boundary,) in crawls]
        for boundary in boundaries:
            recommend(
                connection,
                boundary.date(),
                boundary,
                {str(number): [str(track) for track in range(8, 18)] for number in range(1, 61)},
                {str(number): [str(track) for track in range(11, 21)] for number in range(1, 61)},
                model_version="2",
            )
        for boundary, decision, version in (
            (boundaries[0], "promoted", "2"),
            (boundaries[-1], "refused", "3"),
        ):
            training_id = train(connection, boundary, {"challenger": (0.2, 0.1, 0.3)})
            decide(connection, boundary, decision, to_version=version, training_id=training_id)
        # the feed has the first
        connection.execute(
            "insert into ops.feed_cursors (stream, published_at, moved_at)"
            " select 'moovitamix', min(boundary_at), now() from raw_moovitamix.crawls"
        )


def run(settings: Settings, code: int = 0) -> None:
    """Runs a day as a person does."""
    outcome = Warehouse(settings.database_url, settings.home).command(
        *("listenhouse", "run"),
        environment={
            "LISTENHOUSE_HOME": str(settings.home),
            "LISTENHOUSE_API_URL": settings.api_url,
        },
    )
    assert outcome.returncode == code, outcome.stdout + outcome.stderr
