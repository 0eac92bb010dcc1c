"""The columns of a simulated world: users, tracks and histories on one day.

In: arrays made by genesis and evolution. Out: frozen tables of equally long columns, and the few
operations on them. A table is never changed: each operation gives a new one, so that a world
that is being served stays as it is while the next day is made.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from simulator.ids import Integers
from simulator.names import Texts

Times = npt.NDArray[np.datetime64]
Factors = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """Columns that every table has.

    Attributes:
        serial: Running number of the record, ascending: the order of serving.
        changed_on: Day on which the record was last written.
        created_at: As served.
        updated_at: As served.
    """

    serial: Integers
    changed_on: Integers
    created_at: Times
    updated_at: Times

    def __len__(self) -> int:
        """Number of records."""
        return len(self.serial)


@dataclass(frozen=True)
class Users(Table):
    """Users, as served, and what they like.

    Attributes:
        tastes: Three scenes per user, by preference: two of the favourite genre, one of
            another. Latent: not served.
    """

    id: Integers
    first_name: Texts
    last_name: Texts
    email: Texts
    gender: Texts
    favorite_genres: Texts
    tastes: Factors


@dataclass(frozen=True)
class Tracks(Table):
    """Tracks, as served, and where they belong.

    Attributes:
        scenes: Two scenes per track, the second -1 for most. Latent: not served.
        popularity: Weight of the track among all, with a long tail. Latent: not served.
    """

    id: Integers
    name: Texts
    artist: Texts
    songwriters: Texts
    duration: Texts
    genres: Texts
    album: Texts
    scenes: Factors
    popularity: Floats


@dataclass(frozen=True)
class Histories(Table):
    """History records.

    Attributes:
        user_id: As served.
        items: The track ids as JSON text without brackets: all a history ever does is grow,
            and text grows at the end without touching what is there.
        listener: Serial of the user.
        activity: How much this listener listens, relative to others. Latent: not served.
        is_closed: Whether the user is gone, so that the history no longer grows.
    """

    user_id: Integers
    items: Texts
    listener: Integers
    activity: Floats
    is_closed: Flags


@dataclass(frozen=True)
class State:
    """All there is to know of one day.

    Attributes:
        day: Days since the first.
        users: The users served.
        tracks: The tracks served.
        histories: The histories served.
        arriving_users: The users that appear tomorrow.
        arriving_tracks: The tracks that appear tomorrow.
        next_serials: The next running number of users, tracks and histories. Not read off the
            tables: the last record may be gone, and its number must not be given again.
    """

    day: int
    users: Users
    tracks: Tracks
    histories: Histories
    arriving_users: Users
    arriving_tracks: Tracks
    next_serials: tuple[int, int, int]


AnyTable = TypeVar("AnyTable", bound=Table)


def take(table: AnyTable, rows: Integers | Flags) -> AnyTable:
    """The records at these positions, or those flagged."""
    return replace(table, **{f.name: getattr(table, f.name)[rows] for f in fields(table)})


def append(table: AnyTable, more: AnyTable) -> AnyTable:
    """Both tables' records, the second's behind the first's."""
    if not len(more):
        return table
    return replace(
        table,
        **{
            f.name: np.concatenate([getattr(table, f.name), getattr(more, f.name)])
            for f in fields(table)
        },
    )


def rewrite(table: AnyTable, rows: Integers, **values: Any) -> AnyTable:
    """The table with new values in some columns of some records."""
    columns: dict[str, Any] = {}
    for name, value in values.items():
        columns[name] = getattr(table, name).copy()
        columns[name][rows] = value
    return replace(table, **columns)


def portion(rng: np.random.Generator, share: float, whole: int) -> int:
    """A share of a whole as a number of records: exact when whole, right on average when not."""
    return min(whole, int(share * whole + rng.random()))


def flag(rng: np.random.Generator, share: float, count: int) -> Flags:
    """Flags a share of `count` records."""
    flags = np.zeros(count, dtype=np.bool_)
    flags[rng.choice(count, portion(rng, share, count), replace=False)] = True
    return flags


def moments(rng: np.random.Generator, before: Any, span_microseconds: int, count: int) -> Times:
    """Moments strictly within the span that ends at `before` (one moment, or one each)."""
    ago = rng.integers(1, span_microseconds, size=count).astype("timedelta64[us]")
    times: Times = before - ago
    return times
