"""The first day of a world.

In: a `WorldConfig`. Out: the `State` of day 0, with exactly the sizes asked for.
"""

from __future__ import annotations

import numpy as np

from simulator.births import born_tracks, born_users
from simulator.config import WorldConfig
from simulator.ids import Integers
from simulator.listening import as_items, draw_listens, shelve
from simulator.names import texts
from simulator.spans import Span, day_before, year_before
from simulator.tables import (
    Floats,
    Histories,
    State,
    Tracks,
    Users,
    append,
    moments,
    portion,
)

ACTIVITY_SHAPE = 0.8
"""Of the gamma distribution of activity: some listen hardly ever, a few all the time."""


def first_day(config: WorldConfig) -> State:
    """Makes day 0."""
    rng = np.random.default_rng([config.seed, 0])
    sizes = (config.users, config.tracks)
    span = year_before(config, 0)
    users = born_users(rng, config, np.arange(config.users), span)
    tracks = born_tracks(rng, config, np.arange(config.tracks), span)
    arriving = arrivals(rng, config, sizes, sizes, day_before(config, 1))
    return State(
        day=0,
        users=users,
        tracks=tracks,
        histories=_first_histories(rng, config, (users, tracks), arriving),
        arriving_users=arriving[0],
        arriving_tracks=arriving[1],
        next_serials=(
            config.users + len(arriving[0]),
            config.tracks + len(arriving[1]),
            config.history_count,
        ),
    )


def arrivals(
    rng: np.random.Generator,
    config: WorldConfig,
    sizes: tuple[int, int],
    first_serials: tuple[int, int],
    tomorrow: Span,
) -> tuple[Users, Tracks]:
    """Makes the users and tracks that appear tomorrow.

    They exist a day ahead so that listens can name them before they are served.

    Args:
        rng: Source of chance.
        config: The world.
        sizes: How many users and tracks there are today.
        first_serials: The running numbers of the first new user and the first new track.
        tomorrow: When they are created.

    Returns:
        The users and the tracks of tomorrow.
    """
    user_count = portion(rng, config.rates.new_users, sizes[0])
    track_count = portion(rng, config.rates.new_tracks, sizes[1])
    return (
        born_users(rng, config, first_serials[0] + np.arange(user_count), tomorrow),
        born_tracks(rng, config, first_serials[1] + np.arange(track_count), tomorrow),
    )


def drawn_activity(rng: np.random.Generator, count: int) -> Floats:
    """How much listeners listen, relative to each other."""
    return rng.gamma(ACTIVITY_SHAPE, size=count) + np.finfo(np.float64).tiny


def name_late_tracks(
    rng: np.random.Generator, listens: Integers, count: int, arriving: Tracks
) -> Integers:
    """Replaces some listens by tracks that appear tomorrow."""
    if not len(arriving):
        return listens
    late = rng.choice(len(listens), min(count, len(listens)), replace=False)
    listens = listens.copy()
    listens[late] = arriving.id[rng.integers(len(arriving), size=len(late))]
    return listens


def _first_histories(
    rng: np.random.Generator,
    config: WorldConfig,
    settled: tuple[Users, Tracks],
    arriving: tuple[Users, Tracks],
) -> Histories:
    users, tracks = settled
    arriving_users, arriving_tracks = arriving
    count, span = config.history_count, year_before(config, 0)
    further = max(0, count - config.users)
    owner = np.concatenate(
        [np.arange(count - further), rng.integers(config.users, size=further) if further else []]
    ).astype(np.int64)
    if len(arriving_users) and count and config.rates.late_users:
        # one record more than there are users would break the sizes: the last gives way
        owner[count - further - 1] = len(users)
    everyone = append(users, arriving_users)
    activity = drawn_activity(rng, count)
    listens_each = (
        rng.multinomial(config.listen_count, activity / activity.sum())
        if count
        else np.zeros(0, dtype=np.int64)
    )
    tastes = everyone.tastes[owner] if config.tastes else None
    listens = draw_listens(rng, shelve(tracks), tastes, listens_each)
    if config.rates.late_listens:
        listens = name_late_tracks(rng, listens, 1 + count // 1000, arriving_tracks)
    created_at = moments(rng, span.end, span.microseconds, count)
    lived = rng.random(count) * (span.end - created_at).astype(np.int64)
    return Histories(
        serial=np.arange(count),
        changed_on=np.zeros(count, dtype=np.int64),
        created_at=created_at,
        updated_at=created_at + lived.astype("timedelta64[us]"),
        user_id=everyone.id[owner],
        items=texts(as_items(listens, listens_each)),
        listener=everyone.serial[owner],
        activity=activity,
        is_closed=np.zeros(count, dtype=np.bool_),
    )
