"""Reading, from tables as the contracts of the marts declare them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
import yaml
from psycopg import sql

from recommender import interactions
from recommender.artist_caps import NO_ARTIST
from recommender.interactions import read_interactions, read_listens
from warehouse.errors import DatabaseError
from warehouse.settings import PROJECT_ROOT, Settings

MARTS = PROJECT_ROOT / "dbt_project" / "models" / "marts"
TABLES = {
    "features": ("rpt_user_features", "rpt_track_features", "rpt_user_track_affinities"),
    "listening": ("fct_listens",),
}
SOURCE = "moovitamix"
CUTOFF = datetime(2026, 3, 5, 4)


@pytest.fixture
def marts(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute("create schema marts")
    for folder, names in TABLES.items():
        models = yaml.safe_load((MARTS / folder / f"_{folder}__models.yml").read_text())["models"]
        for model in (model for model in models if model["name"] in names):
            columns = sql.SQL(", ").join(
                sql.SQL("{} {}").format(
                    sql.Identifier(column["name"]),
                    sql.SQL(column["data_type"].replace("string", "text")),
                )
                for column in model["columns"]
            )
            table = sql.Identifier("marts", model["name"])
            connection.execute(sql.SQL("create table {} ({})").format(table, columns))
    return connection


def insert(connection: psycopg.Connection, table: str, **values: Any) -> None:
    values = {"source_name": SOURCE, **values}
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier("marts", table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Literal, values.values())),
        )
    )


def add_user(connection: psycopg.Connection, user: str, **values: Any) -> None:
    columns = {"user_id": user, "is_deleted": False, "data_cutoff_at": CUTOFF, **values}
    insert(connection, "rpt_user_features", **columns)


def add_track(connection: psycopg.Connection, track: str, **values: Any) -> None:
    columns = {"track_id": track, "is_deleted": False, "is_inferred": False, **values}
    insert(connection, "rpt_track_features", **columns)


def add_plays(connection: psycopg.Connection, user: str, track: str, count: int) -> None:
    columns = {"user_id": user, "track_id": track, "listen_count": count}
    insert(connection, "rpt_user_track_affinities", **columns)


def test_users_tracks_and_plays_are_read(marts: psycopg.Connection, settings: Settings) -> None:
    first = datetime(2026, 3, 1, 7, 30)
    add_user(marts, "9", favorite_genre_names="Rock, Hip Hop", first_listened_at=first)
    add_user(marts, "10", favorite_genre_names="Rock")
    add_user(marts, "a")
    add_user(marts, "gone", is_deleted=True, favorite_genre_names="Polka")
    add_track(marts, "7", genre_names="Jazz, Rock", album_key=UUID(int=1))
    add_track(marts, "11", is_deleted=True, genre_names="Rock")
    add_track(marts, "b", is_inferred=True)
    add_plays(marts, "9", "7", 3)
    add_plays(marts, "9", "b", 1)
    add_plays(marts, "10", "11", 2)
    add_plays(marts, "gone", "7", 5)
    add_plays(marts, "9", "unknown", 5)

    found = read_interactions(settings, SOURCE)
    assert found.source_name == SOURCE
    assert found.user_ids.tolist() == ["10", "9", "a"]
    assert found.track_ids.tolist() == ["11", "7", "b"]
    assert found.plays.toarray().tolist() == [[2, 0, 0], [0, 3, 1], [0, 0, 0]]
    assert found.plays.dtype == np.float32
    # Hip Hop, Rock
    assert found.user_genres.toarray().tolist() == [[0, 1], [1, 1], [0, 0]]
    # Jazz, Rock
    assert found.track_genres.toarray().tolist() == [[0, 1], [1, 1], [0, 0]]
    assert found.albums.tolist() == [-1, 0, -1]
    assert found.recommendable.tolist() == [False, True, False]
    assert np.isnat(found.first_listened_at).tolist() == [True, False, True]
    assert found.first_listened_at[1] == np.datetime64(first, "us")
    assert found.data_cutoff == CUTOFF.replace(tzinfo=UTC)


def test_other_sources_are_left_alone(marts: psycopg.Connection, settings: Settings) -> None:
    other = {"source_name": "it's another"}
    for source in ({}, other):
        add_user(marts, "1", **source)
        add_track(marts, "2", **source)
    add_track(marts, "3", **other)
    insert(marts, "rpt_user_track_affinities", user_id="1", track_id="2", listen_count=4, **other)
    assert read_interactions(settings, SOURCE).plays.toarray().tolist() == [[0]]
    assert read_interactions(settings, "it's another").plays.toarray().tolist() == [[4, 0]]


def test_what_a_build_writes_meanwhile_is_not_seen(
    marts: psycopg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(marts, "1")
    add_track(marts, "2")
    read_batches = interactions._batches

    def write_then_read(*arguments: Any, **values: Any) -> Any:
        add_plays(marts, "1", "2", 4)
        return read_batches(*arguments, **values)

    monkeypatch.setattr(interactions, "_batches", write_then_read)
    assert read_interactions(settings, SOURCE).plays.nnz == 0
    assert read_interactions(settings, SOURCE).plays.sum() == 4


def test_listens_are_read_from_first_to_last(marts: psycopg.Connection, settings: Settings) -> None:
    for user in ("u", "v"):
        add_user(marts, user)
    for track in ("p", "q", "r"):
        add_track(marts, track)
    days = [datetime(2026, 3, day) for day in range(1, 7)]
    listens: list[tuple[str | None, str, int, int, int]] = [
        # user, track, observed on, listened on, position
        ("v", "p", 3, 3, 1),
        ("u", "r", 2, 2, 1),
        ("u", "p", 1, 1, 2),
        ("u", "q", 1, 1, 1),
        ("u", "p", 1, 0, 9),
        ("v", "q", 4, 4, 1),
        # later than the cutoff, of nobody, of an unknown user, of an unknown track
        ("u", "q", 5, 5, 1),
        (None, "p", 1, 1, 1),
        ("w", "p", 1, 1, 1),
        ("u", "s", 1, 1, 1),
    ]
    for owner, track, observed, listened, position in listens:
        insert(
            marts,
            "fct_listens",
            user_id=owner,
            track_id=track,
            first_observed_at=days[observed],
            listened_at=days[listened],
            position=position,
        )
    found = read_listens(settings, read_interactions(settings, SOURCE))
    assert found.users.tolist() == [0, 0, 0, 0, 1, 1]
    assert ["pqr"[track] for track in found.tracks] == ["p", "q", "p", "r", "p", "q"]
    assert found.observed_at.tolist() == [days[number] for number in (1, 1, 1, 2, 3, 4)]


def test_a_source_without_listens_is_read(marts: psycopg.Connection, settings: Settings) -> None:
    add_user(marts, "1")
    add_track(marts, "2")
    found = read_interactions(settings, SOURCE)
    assert found.plays.nnz == found.user_genres.shape[1] == 0
    assert len(read_listens(settings, found).users) == 0


def test_an_unknown_source_is_refused(marts: psycopg.Connection, settings: Settings) -> None:
    add_user(marts, "1")
    with pytest.raises(DatabaseError, match="no user or no track of the source moovitamix: load"):
        read_interactions(settings, SOURCE)


@pytest.mark.usefixtures("connection")
def test_without_marts_it_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(DatabaseError, match=r"no marts to recommend from yet: .*`dbt build`"):
        read_interactions(settings, SOURCE)
    away = settings.but(external_database_url="postgresql://u@127.0.0.1:9/nowhere")
    with pytest.raises(DatabaseError, match="could not be read"):
        read_interactions(away, SOURCE)


def test_tracks_of_an_artist_have_the_same_number_and_those_of_none_have_none(
    marts: psycopg.Connection, settings: Settings
) -> None:
    add_user(marts, "1")
    one, other = UUID(int=1), UUID(int=2)
    for track, artist in (("a", one), ("b", other), ("c", one), ("d", None)):
        add_track(marts, track, artist_key=artist)
    artists = read_interactions(settings, SOURCE).artists
    assert artists[0] == artists[2] >= 0
    assert artists[1] not in {artists[0], NO_ARTIST}
    assert artists[3] == NO_ARTIST
