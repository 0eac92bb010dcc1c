"""A database with a day's lists, and the API on it, served over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import httpx
import psycopg
import pytest
import uvicorn
import yaml
from fastapi import FastAPI
from psycopg import sql

from operations.services.api_server import configure
from recommender.tables import create_tables
from serving.app import create_app
from tests.conftest import empty_database, free_port
from tests.monitoring.conftest import browser  # noqa: F401 (a fixture)
from warehouse.settings import PROJECT_ROOT, Settings

SOURCE = "moovitamix"
# the ids of the examples in the documentation
USER, TRACK = "56774", "65283"
DAY, DAY_BEFORE = date(2026, 3, 2), date(2026, 3, 1)
CUTOFF = datetime(2026, 3, 2, 3, tzinfo=UTC)
MADE_AT = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)

# names and types as the contract of the marts has them
_TYPES = {"uuid": "uuid", "string": "text", "integer": "integer", "boolean": "boolean"}


@pytest.fixture(scope="module")
def listed(postgres_server: str) -> Iterator[str]:
    """URL of a database with two days of lists; tests that change it fill `database_url`."""
    with empty_database(postgres_server, "listed") as url:
        with psycopg.connect(url) as connection:
            fill(connection)
        yield url


@pytest.fixture(scope="module")
def api(listed: str) -> Iterator[httpx.Client]:
    """A client of the API as it is without any setting."""
    with serving(settings_for(listed)) as client:
        yield client


def settings_for(url: str) -> Settings:
    """Settings of the API on a database."""
    return Settings(home=PROJECT_ROOT / "nowhere", external_database_url=url)


@contextmanager
def serving(
    settings: Settings, make_health_page: Callable[[], str] = lambda: "<!doctype html>"
) -> Iterator[httpx.Client]:
    """Serves the API in a thread, by the server that the command uses; yields a client."""
    with (
        running(create_app(settings, make_health_page)) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serves an application in a thread; yields its URL."""
    port = free_port()
    server = uvicorn.Server(configure(app, port=port))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def address_of(client: httpx.Client) -> tuple[str, int]:
    """Host and port that a client asks."""
    return client.base_url.host, client.base_url.port or 0


@contextmanager
def locked(connection: psycopg.Connection) -> Iterator[None]:
    """Nobody can read the users while the block runs."""
    with connection.transaction():
        connection.execute(sql.SQL("lock table marts.dim_users in access exclusive mode"))
        yield


def fill(connection: psycopg.Connection) -> None:
    """Writes the tables and what the tests ask for.

    USER and 'a/b' have lists, 2 has none, 3 was deleted after the lists were made, and nobody
    else is known. TRACK has two versions, 8 is known from listens only, 9 was deleted.
    """
    create_marts(connection)
    create_tables(connection)
    for user_id, is_current, is_deleted in (
        (USER, False, False),
        (USER, True, False),
        ("a/b", True, False),
        ("2", True, False),
        ("3", True, True),
    ):
        insert(
            connection,
            "marts.dim_users",
            user_id=user_id,
            is_current=is_current,
            is_deleted=is_deleted,
        )
    for track in (
        {"track_id": TRACK, "track_name": "Old name", "artist_name": "Ada", "is_current": False},
        {
            "track_id": TRACK,
            "track_name": "Blue",
            "artist_name": "Ada",
            "album_title": "Sea",
            "duration_seconds": 201,
        },
        {"track_id": "2", "track_name": "Café 東京", "artist_name": None},
        {"track_id": "3", "track_name": "Red", "artist_name": "Eve"},
        {"track_id": "8", "is_inferred": True},
        {"track_id": "9", "track_name": "Gone", "artist_name": "Eve", "is_deleted": True},
    ):
        insert(connection, "marts.dim_tracks", **track)
    insert(connection, "marts.rpt_track_features", track_id=TRACK, genre_names="Folk, Jazz")
    for day in (DAY_BEFORE, DAY):
        insert_batch(connection, day)
    for day, user_id, tracks in (
        (DAY, USER, (TRACK, "8", "3")),
        (DAY_BEFORE, USER, ("3",)),
        (DAY, "a/b", ("2",)),
        (DAY, "3", (TRACK,)),
    ):
        for rank, track_id in enumerate(tracks, 1):
            insert_recommendation(connection, day, user_id, rank, track_id, 1 / rank)
    connection.execute(
        "update recommendations.recommendations set because = array[%s, '8']"
        " where user_id = %s and for_date = %s and rank = 1",
        ("3", USER, DAY),
    )
    for rank, (track_id, count) in enumerate((("2", 40), ("3", 30), (TRACK, 20)), 1):
        insert(
            connection,
            "recommendations.popular_tracks",
            for_date=DAY,
            rank=rank,
            track_id=track_id,
            listener_count=count,
            data_cutoff=CUTOFF,
        )
    for rank, track_id in enumerate(("9", "2", "3"), 1):
        insert(
            connection,
            "recommendations.similar_tracks",
            track_id=TRACK,
            rank=rank,
            similar_track_id=track_id,
            score=1 / rank,
            training_id="00000000-0000-0000-0000-000000000001",
            data_cutoff=CUTOFF,
        )


def create_marts(connection: psycopg.Connection) -> None:
    """Creates the marts that the API reads, as their contract has them, with their indexes."""
    models = {
        model["name"]: model
        for folder in ("listening", "features")
        for model in yaml.safe_load(
            (PROJECT_ROOT / f"dbt_project/models/marts/{folder}/_{folder}__models.yml").read_text()
        )["models"]
    }
    connection.execute("create schema if not exists marts")
    for name, member in (
        ("dim_users", "user_id"),
        ("dim_tracks", "track_id"),
        ("rpt_track_features", "track_id"),
    ):
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(
                sql.Identifier(column["name"]),
                sql.SQL(_TYPES.get(column["data_type"], "timestamp")),
            )
            for column in models[name]["columns"]
        )
        table = sql.Identifier("marts", name)
        connection.execute(sql.SQL("create table {} ({})").format(table, columns))
        if name.startswith("dim_"):
            connection.execute(
                sql.SQL(
                    "alter table {} alter is_current set default true,"
                    " alter is_deleted set default false"
                ).format(table)
            )
        connection.execute(sql.SQL("create index on {} ({})").format(table, sql.Identifier(member)))


def insert_batch(connection: psycopg.Connection, day: date, **values: object) -> None:
    """Writes that lists were made for a day."""
    insert(
        connection,
        "recommendations.batches",
        **{
            "for_date": day,
            "model_version": "7",
            "user_count": 3,
            "list_length": 20,
            "short_list_count": 3,
            "data_cutoff": CUTOFF,
            "generated_at": MADE_AT,
            **values,
        },
    )


def insert_recommendation(  # noqa: PLR0913, PLR0917 (its columns)
    connection: psycopg.Connection,
    day: date,
    user_id: str,
    rank: int,
    track_id: str,
    score: float,
) -> None:
    """Writes a row of a list."""
    insert(
        connection,
        "recommendations.recommendations",
        for_date=day,
        user_id=user_id,
        rank=rank,
        track_id=track_id,
        score=score,
        source="model" if rank == 1 else "popularity",
        model_version="7",
        data_cutoff=CUTOFF,
        generated_at=MADE_AT,
    )


def insert(connection: psycopg.Connection, table: str, **values: object) -> None:
    """Writes a row."""
    values = {"source_name": SOURCE, **values}
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        ),
        values,
    )
