"""What models may see, and what they are judged by.

In: listens with the time at which a crawl first saw them. Out: two holdouts, one behind the
other: the validation slice to choose a model by, the test slice to judge the chosen one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.interactions import Interactions, Listens
from recommender.models import Flags

HELD_OUT_SHARE = 0.2
"""Share of listens that a holdout takes, at most: the latest."""

ENOUGH_USERS = 200
"""With fewer users to judge by, the last listens of the others are held out too."""

JUDGED_USERS = 20_000
"""Users that a holdout is judged by, at most; drawn at random above that."""


@dataclass(frozen=True)
class Holdout:
    """Listens to fit to, and later ones to be foretold.

    Attributes:
        plays: Plays to fit to (n_users, n_tracks).
        user_genres: Favourite genres (n_users, n_genres).
        recommendable: Tracks that may be recommended (n_tracks).
        users: Rows of the users that are judged by, ascending.
        targets: Tracks that each of them first played later (len(users), n_tracks), 1 each.
        held_from: When the first held-out listen was observed, UTC: a model with an earlier
            data cutoff has seen none of them. None when nothing is held out.
    """

    plays: csr_array
    user_genres: csr_array
    recommendable: Flags
    users: NDArray[np.int64]
    targets: csr_array
    held_from: datetime | None


@dataclass(frozen=True)
class Split:
    """Two holdouts; the validation's plays and targets are both among the test's plays.

    Attributes:
        validation: To choose by.
        test: To judge by.
    """

    validation: Holdout
    test: Holdout


def split_listens(interactions: Interactions, listens: Listens, seed: int) -> Split:
    """Splits listens by time, twice.

    The latest crawls' listens are held out, up to `HELD_OUT_SHARE` of all. Where that leaves
    fewer than `ENOUGH_USERS` to judge by, each user without such listens loses the last
    `HELD_OUT_SHARE` of their own instead, one at least and never all.

    Args:
        interactions: Whose listens.
        listens: The listens.
        seed: Seed for drawing users, where there are more than `JUDGED_USERS`.
    """
    generator = np.random.default_rng(seed)
    is_held = _latest(interactions, listens)
    test = _hold_out(interactions, listens, is_held, generator)
    earlier = _only(listens, ~is_held)
    validation = _hold_out(interactions, earlier, _latest(interactions, earlier), generator)
    return Split(validation, test)


def _latest(interactions: Interactions, listens: Listens) -> Flags:
    """Which listens to hold out."""
    times, counts = np.unique(listens.observed_at, return_counts=True)
    # listens at or behind each time; what the first crawl saw has no order in time
    remaining = np.cumsum(counts[::-1])[::-1]
    small = times[1:][remaining[1:] <= HELD_OUT_SHARE * len(listens.users)]
    is_held = listens.observed_at >= small[0] if len(small) else np.zeros(len(listens.users), bool)
    judged = np.unique(_targets(interactions, listens, is_held)[0])
    if len(judged) < ENOUGH_USERS:
        late = np.zeros(interactions.plays.shape[0], dtype=bool)
        late[listens.users[is_held]] = True
        counts = np.bincount(listens.users, minlength=interactions.plays.shape[0])
        ends = np.cumsum(counts)
        place_from_end = ends[listens.users] - np.arange(len(listens.users))
        own = np.minimum(np.ceil(HELD_OUT_SHARE * counts), counts - 1)
        is_held |= ~late[listens.users] & (place_from_end <= own[listens.users])
    return is_held


def _hold_out(
    interactions: Interactions, listens: Listens, is_held: Flags, generator: np.random.Generator
) -> Holdout:
    shape = interactions.plays.shape
    seen = _only(listens, ~is_held)
    ones = np.ones(len(seen.users), np.float32)
    plays = csr_array((ones, (seen.users, seen.tracks)), shape=shape)
    plays.sum_duplicates()
    rows, columns = _targets(interactions, listens, is_held)
    users = np.unique(rows)
    if len(users) > JUDGED_USERS:
        users = np.sort(generator.choice(users, JUDGED_USERS, replace=False))
    ones = np.ones(len(rows), np.float32)
    targets = csr_array((ones, (rows, columns)), shape=shape)[users]
    first = listens.observed_at[is_held].min() if is_held.any() else None
    return Holdout(
        plays=plays,
        user_genres=interactions.user_genres,
        recommendable=interactions.recommendable,
        users=users,
        targets=csr_array(targets),
        held_from=None if first is None else first.astype(datetime).replace(tzinfo=UTC),
    )


def _targets(
    interactions: Interactions, listens: Listens, is_held: Flags
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and the recommendable tracks that they played in held-out listens only."""
    track_count = interactions.plays.shape[1]
    pairs = listens.users.astype(np.int64) * track_count + listens.tracks
    wanted = is_held & interactions.recommendable[listens.tracks]
    new = np.setdiff1d(pairs[wanted], pairs[~is_held])
    return new // track_count, new % track_count


def _only(listens: Listens, kept: Flags) -> Listens:
    return Listens(listens.users[kept], listens.tracks[kept], listens.observed_at[kept])
