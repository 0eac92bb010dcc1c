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

from recommender.artist_caps import ArtistCaps
from recommender.interactions import Interactions, Listens
from recommender.models import Flags
from warehouse.settings import ListRules

DEFAULT_RULES = ListRules()

HELD_OUT_SHARE = 0.2
"""Share of listens that a holdout takes, at most: the latest."""

ENOUGH_USERS = 200
"""With fewer users to judge by, the last listens of the others are held out too."""

COLD = range(1, 4)
"""Listens of the users by whom it is judged how few a model needs."""

ENOUGH_COLD = 50
"""Where fewer users with so few listens are judged, others are shown with so few."""

DRILLED_SHARE = 0.1
"""Share of the judged users that are shown with few listens, at most."""

JUDGED_USERS = 20_000
"""Users that a holdout is judged by, at most; drawn at random above that."""


@dataclass(frozen=True)
class Holdout:
    """Listens to fit to, and later ones to be foretold.

    Attributes:
        plays: Plays to fit to, and to go by (n_users, n_tracks).
        user_genres: Favourite genres (n_users, n_genres).
        recommendable: Tracks that may be recommended (n_tracks).
        caps: How many tracks of an artist a list holds.
        users: Rows of the users that are judged by, ascending.
        targets: Tracks that each of them first played later (len(users), n_tracks), 1 each.
        held_from: When the first held-out listen was observed, UTC: a model with an earlier
            data cutoff has seen none of them. None when nothing is held out.
    """

    plays: csr_array
    user_genres: csr_array
    recommendable: Flags
    caps: ArtistCaps
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


def split_listens(
    interactions: Interactions, listens: Listens, seed: int, rules: ListRules = DEFAULT_RULES
) -> Split:
    """Splits listens by time, twice.

    The latest crawls' listens are held out, up to `HELD_OUT_SHARE` of all. Where that leaves
    fewer than `ENOUGH_USERS` to judge by, each user without such listens loses the last
    `HELD_OUT_SHARE` of their own instead, one at least and never all. Where hardly any of the users
    has few listens left, some of the others are shown with their first one to three only: how users
    are served who have just come is always judged.

    Args:
        interactions: Whose listens.
        listens: The listens.
        seed: Seed for drawing users, where there are more than `JUDGED_USERS`.
        rules: What holds for lists.
    """
    generator = np.random.default_rng(seed)
    caps = caps_of(interactions, rules)
    test, earlier = _hold_out(interactions, listens, caps, generator)
    validation, _ = _hold_out(interactions, earlier, caps, generator)
    return Split(validation, test)


def caps_of(interactions: Interactions, rules: ListRules) -> ArtistCaps:
    """The caps of a source's lists."""
    return ArtistCaps(interactions.artists, rules.top_tracks_per_artist, rules.tracks_per_artist)


def _hold_out(
    interactions: Interactions,
    listens: Listens,
    caps: ArtistCaps,
    generator: np.random.Generator,
) -> tuple[Holdout, Listens]:
    """Holds listens out; also gives those that are left."""
    is_held = _latest(listens)
    plays, targets = _plays_and_targets(interactions, listens, is_held)
    if np.count_nonzero(np.diff(targets.indptr)) < ENOUGH_USERS:
        is_held |= _last_of_others(listens, is_held, plays.shape[0])
        plays, targets = _plays_and_targets(interactions, listens, is_held)
    users = np.flatnonzero(np.diff(targets.indptr))
    is_hidden = _all_but_few(listens, is_held, plays, users, generator)
    if is_hidden.any():
        plays = _counted(listens, ~is_held & ~is_hidden, interactions.plays.shape)
    if len(users) > JUDGED_USERS:
        users = np.sort(generator.choice(users, JUDGED_USERS, replace=False))
    first = listens.observed_at[is_held].min() if is_held.any() else None
    holdout = Holdout(
        plays=plays,
        user_genres=interactions.user_genres,
        recommendable=interactions.recommendable,
        caps=caps,
        users=users,
        targets=csr_array(targets[users]),
        held_from=None if first is None else first.astype(datetime).replace(tzinfo=UTC),
    )
    left = ~is_held & ~is_hidden
    return holdout, Listens(listens.users[left], listens.tracks[left], listens.observed_at[left])


def _all_but_few(
    listens: Listens,
    is_held: Flags,
    plays: csr_array,
    users: NDArray[np.int64],
    generator: np.random.Generator,
) -> Flags:
    """Listens to hide, so that enough of the users are judged by few of their listens.

    What is hidden is no target either: a champion may have seen it.
    """
    counts = np.asarray(plays.sum(axis=1))[users]
    is_few = np.isin(counts, COLD)
    able = users[counts >= COLD.stop]
    missing = min(ENOUGH_COLD - int(is_few.sum()), int(DRILLED_SHARE * len(users)), len(able))
    shown = np.full(plays.shape[0], np.iinfo(np.int64).max)
    if missing > 0:
        drawn = generator.choice(able, missing, replace=False)
        shown[drawn] = generator.integers(COLD.start, COLD.stop, missing)
    seen = np.cumsum(~is_held)
    # how many listens that are not held out each user has up to this one
    first = np.searchsorted(listens.users, listens.users)
    place = seen - np.concatenate([[0], seen])[first]
    is_hidden: Flags = ~is_held & (place > shown[listens.users])
    return is_hidden


def _latest(listens: Listens) -> Flags:
    """Listens of the latest crawls, up to `HELD_OUT_SHARE`."""
    times, counts = np.unique(listens.observed_at, return_counts=True)
    # listens of each crawl and the later ones; what the first one saw has no order in time
    later = np.cumsum(counts[::-1])[::-1][1:]
    small = times[1:][later <= HELD_OUT_SHARE * len(listens.users)]
    if not len(small):
        return np.zeros(len(listens.users), dtype=bool)
    is_late: Flags = listens.observed_at >= small[0]
    return is_late


def _last_of_others(listens: Listens, is_held: Flags, user_count: int) -> Flags:
    """The last `HELD_OUT_SHARE` of the listens of each user of whom none is held out."""
    is_late = np.zeros(user_count, dtype=bool)
    is_late[listens.users[is_held]] = True
    counts = np.bincount(listens.users, minlength=user_count)
    number_from_end = np.cumsum(counts)[listens.users] - np.arange(len(listens.users))
    lost = np.minimum(np.ceil(HELD_OUT_SHARE * counts), counts - 1)
    is_lost: Flags = ~is_late[listens.users] & (number_from_end <= lost[listens.users])
    return is_lost


def _plays_and_targets(
    interactions: Interactions, listens: Listens, is_held: Flags
) -> tuple[csr_array, csr_array]:
    """Plays that are left, and the recommendable tracks that are among those held out only."""
    shape = interactions.plays.shape
    plays = _counted(listens, ~is_held, shape)
    held = _counted(listens, is_held & interactions.recommendable[listens.tracks], shape)
    held.data[:] = 1
    known = held.multiply(plays)
    known.data[:] = 1
    targets = csr_array(held - known)
    targets.eliminate_zeros()
    return plays, targets


def _counted(listens: Listens, chosen: Flags, shape: tuple[int, int]) -> csr_array:
    """Listens by user and track."""
    ones = np.ones(int(chosen.sum()), np.float32)
    return csr_array((ones, (listens.users[chosen], listens.tracks[chosen])), shape=shape)
