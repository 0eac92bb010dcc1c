"""Listens made up in a moment: of users with tastes, or of users who all follow the crowd.

In: sizes and a seed. Out: interactions and listens as they are read from the marts.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from scipy.sparse import csr_array

from recommender.artist_caps import NO_ARTIST
from recommender.interactions import Interactions, Listens

SCENES, CRAWLS, TASTE = 6, 10, 30
FIRST_CRAWL = np.datetime64("2026-03-01", "us")
CUTOFF = datetime(2026, 3, CRAWLS, tzinfo=UTC)


def make_listens(
    users: int = 400, tracks: int = 150, *, seed: int = 1, has_tastes: bool = True
) -> tuple[Interactions, Listens]:
    """Makes listens; a user has 0 to some 60 of them, and the genre of a scene as favourite."""
    generator = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, tracks + 1)
    scene_of_track = generator.permutation(np.arange(tracks) % SCENES)
    scene_of_user = np.arange(users) % SCENES
    counts = generator.geometric(1 / 15, users) - 1
    rows = np.repeat(np.arange(users), counts).astype(np.int32)
    weights = np.tile(popularity, (SCENES, 1))
    if has_tastes:
        weights *= np.where(np.arange(SCENES)[:, None] == scene_of_track, TASTE, 1)
    sums = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    drawn = generator.random(len(rows))
    columns = np.array(
        [
            np.searchsorted(sums[scene_of_user[row]][:-1], chance)
            for row, chance in zip(rows, drawn, strict=True)
        ],
        np.int32,
    )
    # the first crawl sees half of all, the others a part each
    crawls = np.maximum(0, generator.integers(-CRAWLS, CRAWLS, len(rows)))
    order = np.lexsort((crawls, rows))
    observed_at = FIRST_CRAWL + crawls[order] * np.timedelta64(1, "D")
    genres = np.zeros((users, SCENES), np.float32)
    genres[np.arange(users), scene_of_user] = 1
    plays = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(users, tracks))
    interactions = Interactions(
        source_name="moovitamix",
        user_ids=np.array([f"u{number:04}" for number in range(users)], object),
        track_ids=np.array([f"t{number:04}" for number in range(tracks)], object),
        plays=plays,
        user_genres=csr_array(genres),
        recommendable=generator.random(tracks) > 0.05,
        artists=np.full(tracks, NO_ARTIST),
        albums=np.full(tracks, -1),
        track_genres=csr_array(np.eye(SCENES, dtype=np.float32)[scene_of_track]),
        first_listened_at=np.full(users, "NaT", "datetime64[us]"),
        data_cutoff=CUTOFF,
    )
    return interactions, Listens(rows[order], columns[order], observed_at)
