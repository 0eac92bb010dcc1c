"""Whether recommendations could be told from noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from simulator import World
from simulator.genres import GENRES, SCENES_PER_GENRE


def same_genre_share(world: World) -> tuple[float, float]:
    """Share of listens in the listener's first genre, and what chance would give."""
    state = world.state
    genre_of = dict(
        zip(state.tracks.id.tolist(), state.tracks.scenes[:, 0] // SCENES_PER_GENRE, strict=True)
    )
    taste_of = dict(
        zip(state.users.id.tolist(), state.users.tastes[:, 0] // SCENES_PER_GENRE, strict=True)
    )
    pairs = np.array(
        [
            (taste_of[row["user_id"]], genre_of[item])
            for row in world.rows("listen_history")
            for item in row["items"]
            if row["user_id"] in taste_of and item in genre_of
        ]
    )
    tastes, genres = pairs[:, 0], pairs[:, 1]
    chance = sum((tastes == g).mean() * (genres == g).mean() for g in range(len(GENRES)))
    return float((tastes == genres).mean()), float(chance)


def test_users_listen_to_what_they_like(large_world: World) -> None:
    share, chance = same_genre_share(large_world)
    assert chance < 0.15
    assert share > 4 * chance


def test_users_keep_listening_to_what_they_like_as_days_go_by(large_world: World) -> None:
    old = {row["user_id"]: len(row["items"]) for row in large_world.rows("listen_history")}
    world = large_world.advance().advance()
    favourite = dict(
        zip(world.state.users.id.tolist(), world.state.users.tastes.tolist(), strict=True)
    )
    scene = dict(zip(world.state.tracks.id.tolist(), world.state.tracks.scenes[:, 0], strict=True))
    hits = [
        scene[item] // SCENES_PER_GENRE == favourite[row["user_id"]][0] // SCENES_PER_GENRE
        for row in world.rows("listen_history")
        if row["user_id"] in favourite and row["user_id"] in old
        for item in row["items"][old[row["user_id"]] :]
        if item in scene
    ]
    assert len(hits) > 2000
    assert np.mean(hits) > 0.4


def test_without_tastes_listens_are_at_chance(large_world: World) -> None:
    world = World.at(0, replace(large_world.config, tastes=False))
    share, chance = same_genre_share(world)
    assert 0.9 * chance < share < 1.1 * chance


def test_some_tracks_are_heard_twice_in_a_row_by_the_same_listener(large_world: World) -> None:
    world = World.at(0, replace(large_world.config, tastes=False))
    lists = [row["items"] for row in world.rows("listen_history") if row["items"]]
    within = [a == b for items in lists for a, b in pairwise(items)]
    between = [a[-1] == b[0] for a, b in pairwise(lists)]
    assert 0.04 < np.mean(within) < 0.07
    assert np.mean(between) < 0.02


def test_tastes_show_in_what_users_and_tracks_say_of_themselves(large_world: World) -> None:
    state = large_world.state
    main = state.users.tastes[:, 0] // SCENES_PER_GENRE
    said = [
        GENRES[genre] == text for genre, text in zip(main, state.users.favorite_genres, strict=True)
    ]
    assert np.mean(said) > 0.8


def test_popularity_has_a_long_tail(large_world: World) -> None:
    items = np.array([i for row in large_world.rows("listen_history") for i in row["items"]])
    _, plays = np.unique(items, return_counts=True)
    tracks = large_world.total("tracks")
    ranked = np.sort(np.concatenate([plays, np.zeros(tracks - len(plays))]))[::-1]
    top_tenth = ranked[: tracks // 10].sum() / ranked.sum()
    lower_half = ranked[tracks // 2 :].sum() / ranked.sum()
    assert 0.45 < top_tenth < 0.8
    assert 0.01 < lower_half < 0.15
