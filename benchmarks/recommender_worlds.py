"""Listens to judge recommenders by: a file of real ones, the simulator's, and hidden ones.

In: the folder of hetrec2011-lastfm-2k, which is not part of the repository, or a world's config.
Out: interactions and listens as the recommender reads them from the marts, and holdouts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.artist_caps import NO_ARTIST, ArtistCaps
from recommender.interactions import Interactions, Listens
from recommender.split import DEFAULT_RULES, Holdout, caps_of
from simulator import World, WorldConfig
from simulator.tables import Tracks

HELD_OUT_SHARE = 0.2


def read_hetrec(folder: Path) -> csr_array:
    """Reads who listened to which artist how often (1892 users, 17632 artists)."""
    rows = np.loadtxt(folder / "user_artists.dat", skiprows=1, dtype=np.int64)
    users = np.unique(rows[:, 0], return_inverse=True)[1]
    artists = np.unique(rows[:, 1], return_inverse=True)[1]
    return csr_array((rows[:, 2].astype(np.float32), (users, artists)))


def hold_out_random(plays: csr_array, seed: int) -> Holdout:
    """Hides a fifth of each user's tracks, drawn at random."""
    generator = np.random.default_rng(seed)
    counts = np.diff(plays.indptr)
    users = np.repeat(np.arange(len(counts)), counts)
    # the entries of each user in random order
    order = np.lexsort((generator.random(plays.nnz), users))
    place = np.arange(plays.nnz) - plays.indptr[users]
    is_held = np.zeros(plays.nnz, dtype=bool)
    is_held[order] = place >= np.ceil((1 - HELD_OUT_SHARE) * counts)[users]
    return _hidden(plays, users, is_held)


def in_random_order(plays: csr_array, seed: int) -> tuple[Interactions, Listens]:
    """Plays without favourite genres as the marts would hold them, a listen to each track."""
    generator = np.random.default_rng(seed)
    users = np.repeat(np.arange(plays.shape[0]), np.diff(plays.indptr))
    order = np.lexsort((generator.random(plays.nnz), users))
    user_count, track_count = plays.shape
    interactions = Interactions(
        source_name="moovitamix",
        user_ids=np.arange(user_count).astype(str).astype(object),
        track_ids=np.arange(track_count).astype(str).astype(object),
        plays=plays,
        user_genres=csr_array((user_count, 0), dtype=np.float32),
        recommendable=np.ones(track_count, dtype=bool),
        # artists take the part of tracks
        artists=np.full(track_count, NO_ARTIST),
        albums=np.full(track_count, NO_ARTIST),
        track_genres=csr_array((track_count, 0), dtype=np.float32),
        first_listened_at=np.full(user_count, "NaT", "datetime64[us]"),
        data_cutoff=datetime.now(UTC),
    )
    times = np.zeros(plays.nnz, "datetime64[us]")
    return interactions, Listens(users[order], plays.indices[order], times)


def hide_all_but(
    interactions: Interactions, listens: Listens, users: NDArray[np.int64], kept: int
) -> Holdout:
    """Hides all listens of some users but their first ones."""
    is_chosen = np.zeros(len(interactions.user_ids), dtype=bool)
    is_chosen[users] = True
    place = np.arange(len(listens.users)) - np.searchsorted(listens.users, listens.users)
    shown = ~is_chosen[listens.users] | (place < kept)
    counts = np.ones(int(shown.sum()), np.float32)
    pairs = (listens.users[shown], listens.tracks[shown])
    plays = csr_array((counts, pairs), shape=interactions.plays.shape)
    later = csr_array(interactions.plays > plays)
    new = csr_array(later - later.multiply(plays > 0)).astype(np.float32)
    new.eliminate_zeros()
    targets = csr_array(new[users])
    judged = np.diff(targets.indptr) > 0
    return Holdout(
        plays=plays,
        user_genres=interactions.user_genres,
        recommendable=interactions.recommendable,
        caps=caps_of(interactions, DEFAULT_RULES),
        users=users[judged],
        targets=csr_array(targets[judged]),
        held_from=None,
    )


def simulate(config: WorldConfig, days: int) -> tuple[Interactions, Listens]:
    """Lets a world go on for some days, crawled on each.

    Args:
        config: The world.
        days: Days after the first.

    Returns:
        What the marts would hold of it.
    """
    diary = _Diary()
    world = World.at(0, config)
    diary.crawl(world)
    for _ in range(days):
        world = world.advance()
        diary.crawl(world)
    state = world.state
    user_ids = np.sort(state.users.id)
    users, tracks = np.array(diary.users), np.array(diary.tracks)
    observed_at = np.array(diary.observed_at, "datetime64[us]")
    is_known = np.isin(users, user_ids)
    users, tracks, observed_at = users[is_known], tracks[is_known], observed_at[is_known]
    track_ids = np.union1d(state.tracks.id, tracks)
    rows, columns = np.searchsorted(user_ids, users), np.searchsorted(track_ids, tracks)
    # stable: listens of a crawl stay in the order of their record
    order = np.lexsort((observed_at, rows))
    shape = (len(user_ids), len(track_ids))
    favorites = dict(zip(state.users.id.tolist(), state.users.favorite_genres, strict=True))
    interactions = Interactions(
        source_name="moovitamix",
        user_ids=user_ids.astype(str).astype(object),
        track_ids=track_ids.astype(str).astype(object),
        plays=csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape),
        user_genres=_genres([favorites[user] for user in user_ids.tolist()]),
        recommendable=np.isin(track_ids, state.tracks.id),
        artists=_numbers(track_ids, state.tracks, state.tracks.artist),
        albums=_numbers(track_ids, state.tracks, state.tracks.album),
        track_genres=_track_genres(track_ids, state.tracks),
        first_listened_at=np.full(len(user_ids), "NaT", "datetime64[us]"),
        data_cutoff=world.clock.replace(tzinfo=UTC),
    )
    listens = Listens(
        rows[order].astype(np.int32), columns[order].astype(np.int32), observed_at[order]
    )
    return interactions, listens


@dataclass
class _Diary:
    """Listens in the order in which crawls saw them."""

    users: list[int] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    observed_at: list[datetime] = field(default_factory=list)
    lengths: dict[int, int] = field(default_factory=dict)

    def crawl(self, world: World) -> None:
        histories = world.state.histories
        for serial, user, items in zip(
            histories.serial.tolist(), histories.user_id.tolist(), histories.items, strict=True
        ):
            tracks = [int(item) for item in items.split(",")] if items else []
            new = tracks[self.lengths.get(serial, 0) :]
            self.lengths[serial] = len(tracks)
            self.users += [user] * len(new)
            self.tracks += new
            self.observed_at += [world.clock] * len(new)


def _track_genres(track_ids: NDArray[np.int64], tracks: Tracks) -> csr_array:
    """The genres of each track, none for one that is gone."""
    genres = dict(zip(tracks.id.tolist(), tracks.genres, strict=True))
    return _genres([genres.get(track, "") for track in track_ids.tolist()])


def _numbers(
    track_ids: NDArray[np.int64], tracks: Tracks, names: NDArray[np.object_]
) -> NDArray[np.int64]:
    """A number for the name that each track has, none for one that is gone."""
    numbers = np.unique(names.astype(str), return_inverse=True)[1]
    place = dict(zip(tracks.id.tolist(), numbers.tolist(), strict=True))
    return np.array([place.get(track, NO_ARTIST) for track in track_ids.tolist()])


def _genres(favorites: list[str]) -> csr_array:
    lists = [{part.strip().lower() for part in text.split(",")} - {""} for text in favorites]
    genres = sorted(set().union(*lists))
    rows = [[float(genre in liked) for genre in genres] for liked in lists]
    return csr_array(np.array(rows, np.float32))


def _hidden(plays: csr_array, users: NDArray[np.int64], is_held: NDArray[np.bool_]) -> Holdout:
    def part(chosen: NDArray[np.bool_]) -> csr_array:
        pairs = (users[chosen], plays.indices[chosen])
        return csr_array((plays.data[chosen], pairs), shape=plays.shape)

    targets = part(is_held)
    judged = np.flatnonzero(np.diff(targets.indptr))
    return Holdout(
        plays=part(~is_held),
        user_genres=csr_array((plays.shape[0], 0), dtype=np.float32),
        recommendable=np.ones(plays.shape[1], dtype=bool),
        # artists take the part of tracks
        caps=ArtistCaps(np.full(plays.shape[1], NO_ARTIST), 0, 0),
        users=judged,
        targets=csr_array(targets[judged]),
        held_from=None,
    )
