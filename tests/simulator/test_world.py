"""What a day holds: sizes, reproducibility and the traps of the source's data."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from simulator import Endpoint, World, WorldConfig
from simulator.genres import GENDERS, GENRES

ENDPOINTS: list[Endpoint] = ["users", "tracks", "listen_history"]
SMALL = WorldConfig(users=60, tracks=50, listens=900)


def test_the_same_seed_and_day_give_the_same_bytes() -> None:
    assert World.at(3, SMALL).records == World.at(3, SMALL).records


def test_advancing_equals_starting_at_the_day() -> None:
    world = World.at(0, SMALL)
    for _ in range(10):
        world = world.advance()
    assert world.records == World.at(10, SMALL).records


def test_advancing_leaves_the_day_before_as_it_was(world: World) -> None:
    before = {endpoint: list(records) for endpoint, records in world.records.items()}
    following = world.advance()
    assert before == World.at(0).records == world.records
    assert following.records == world.advance().records


def test_another_seed_gives_another_world() -> None:
    one, other = World.at(0, SMALL), World.at(0, replace(SMALL, seed=2))
    for endpoint in ("users", "tracks"):
        ids = [{row["id"] for row in world.rows(endpoint)} for world in (one, other)]
        assert len(ids[0] & ids[1]) <= 2


@pytest.mark.parametrize("histories", [0, 10, 60, 150])
def test_day_zero_has_the_sizes_asked_for(histories: int) -> None:
    listens = 777 if histories else 0
    world = World.at(0, replace(SMALL, histories=histories, listens=listens))
    assert world.total("users") == 60
    assert world.total("tracks") == 50
    assert world.total("listen_history") == histories
    assert sum(len(row["items"]) for row in world.rows("listen_history")) == listens


def test_a_user_can_have_several_histories() -> None:
    rows = World.at(0, replace(SMALL, histories=200)).rows("listen_history")
    assert max(Counter(row["user_id"] for row in rows).values()) > 1
    assert len({(row["user_id"], row["created_at"]) for row in rows}) == 200


def test_by_default_each_user_has_at_most_one_history(world: World) -> None:
    owners = Counter(row["user_id"] for row in world.rows("listen_history"))
    assert max(owners.values()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"users": -1},
        {"users": 0, "histories": 1},
        {"tracks": 0, "listens": 1},
        {"histories": 0, "listens": 1},
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must not be negative|at least one"):
        WorldConfig(**wrong)


@pytest.mark.parametrize("config", [WorldConfig(users=1, tracks=1), WorldConfig(users=3, tracks=0)])
def test_tiny_worlds_live(config: WorldConfig) -> None:
    world = World.at(40, config)
    assert world.day == 40
    assert world.records == World.at(39, config).advance().records


@pytest.mark.parametrize("day", [0, 5])
def test_no_timestamp_is_later_than_the_clock(day: int) -> None:
    world = World.at(day)
    latest = max(
        row[name]
        for endpoint in ENDPOINTS
        for row in world.rows(endpoint)
        for name in ("created_at", "updated_at")
    )
    assert latest < world.clock.isoformat()
    if day:
        assert latest > World.at(day - 1).clock.isoformat()


def test_ids_are_distinct_and_look_random(large_world: World) -> None:
    for endpoint in ("users", "tracks"):
        ids = [row["id"] for row in large_world.rows(endpoint)]
        assert len(set(ids)) == len(ids)
        rising = sum(a < b for a, b in pairwise(ids)) / len(ids)
        assert 0.45 < rising < 0.55


@pytest.mark.parametrize("endpoint", ["users", "tracks"])
def test_a_quarter_is_updated_before_it_is_created(world: World, endpoint: Endpoint) -> None:
    rows = world.rows(endpoint)
    assert sum(row["updated_at"] < row["created_at"] for row in rows) == len(rows) / 4


def test_histories_are_never_updated_before_they_are_created(next_world: World) -> None:
    rows = next_world.rows("listen_history")
    assert all(row["updated_at"] >= row["created_at"] for row in rows)


def test_half_of_histories_and_listens_predate_what_they_name(world: World) -> None:
    users = {row["id"]: row["created_at"] for row in world.rows("users")}
    tracks = {row["id"]: row["created_at"] for row in world.rows("tracks")}
    histories = world.rows("listen_history")
    before_user = [h["created_at"] < users.get(h["user_id"], "") for h in histories]
    before_track = [h["created_at"] < tracks.get(i, "") for h in histories for i in h["items"]]
    assert 0.4 < sum(before_user) / len(before_user) < 0.6
    assert 0.4 < sum(before_track) / len(before_track) < 0.6


def test_durations_are_minutes_and_seconds_and_some_are_zero(world: World) -> None:
    durations = [row["duration"] for row in world.rows("tracks")]
    assert all(re.fullmatch(r"[0-5]\d:[0-5]\d", duration) for duration in durations)
    assert "00:00" in durations
    assert max(durations) <= "59:58"
    assert max(durations) > "30:00"


@pytest.mark.parametrize(
    ("endpoint", "name", "share"),
    [("users", "email", 0.01), ("tracks", "name", 0.1), ("tracks", "album", 0.1)],
)
def test_only_ids_identify(world: World, endpoint: Endpoint, name: str, share: float) -> None:
    values = [row[name] for row in world.rows(endpoint)]
    assert len(set(values)) < (1 - share) * len(values)


def test_addresses_are_nobody_s(world: World) -> None:
    assert all(
        re.fullmatch(r"[a-z0-9.]+@example\.(com|net|org)", row["email"])
        for row in world.rows("users")
    )


def test_there_are_nine_genders(world: World) -> None:
    assert {row["gender"] for row in world.rows("users")} == set(GENDERS)
    assert len(GENDERS) == 9


def test_favourite_genres_are_free_text(world: World) -> None:
    texts = [row["favorite_genres"] for row in world.rows("users")]
    assert set(GENRES) <= set(texts)
    assert len(GENRES) == 17
    assert 0.8 < sum(text in GENRES for text in texts) / len(texts) < 0.95
    assert any("," in text for text in texts)
    assert any(text not in GENRES and text.strip().title() in GENRES for text in texts)


def test_track_genres_are_mostly_not_the_users_genres(world: World) -> None:
    texts = [row["genres"] for row in world.rows("tracks")]
    named = sum(text.casefold() in {genre.casefold() for genre in GENRES} for text in texts)
    assert 0 < named / len(texts) < 0.2
    assert any("," in text for text in texts)


def test_names_are_not_all_ascii(world: World) -> None:
    names = [row["first_name"] + row["last_name"] for row in world.rows("users")]
    assert 0 < sum(not name.isascii() for name in names) < 200


def test_histories_are_of_all_lengths_and_repeat_tracks(world: World) -> None:
    lists = [row["items"] for row in world.rows("listen_history")]
    assert any(not items for items in lists)
    assert max(map(len, lists)) > 60
    assert any(len(set(items)) < len(items) for items in lists)
