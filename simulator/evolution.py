"""One day of a world's life.

In: the `State` of a day. Out: the `State` of the next: users and tracks that change, appear and
disappear, histories that begin and grow. What happens depends on the seed and the day only.
"""

from __future__ import annotations

import numpy as np

from simulator.births import (
    UPDATED_BEFORE_CREATED,
    drawn_durations,
    drawn_emails,
    drawn_genders,
    drawn_tastes,
    drawn_titles,
    written_favorites,
    written_genres,
)
from simulator.config import WorldConfig
from simulator.genesis import arrivals, drawn_activity, name_late_tracks
from simulator.ids import Integers
from simulator.listening import as_items, draw_listens, shelve
from simulator.names import pools, texts
from simulator.spans import YEAR_MICROSECONDS, Span, date_lived, day_before
from simulator.tables import (
    AnyTable,
    Histories,
    State,
    Tracks,
    Users,
    append,
    flag,
    moments,
    portion,
    rewrite,
    take,
)

MAX_NEW_LISTENS = 5
SATURDAY = 5
USER_CHANGES = ("first_name", "last_name", "email", "gender", "favorite_genres")
TRACK_CHANGES = ("edition", "name", "album", "genres", "duration")
EDITIONS = texts([" (Remastered)", " (Live)", " (Deluxe)", " (Radio Edit)"])


def next_day(state: State, config: WorldConfig) -> State:
    """Evolves a world by one day.

    Args:
        state: A day of the world.
        config: The world's config.

    Returns:
        The day after.
    """
    day = state.day + 1
    rng = np.random.default_rng([config.seed, day])
    rates = config.rates
    today = day_before(config, day)

    leaving = flag(rng, rates.removed_users, len(state.users))
    histories = _without_listeners(rng, state.histories, state.users.serial[leaving])
    users = _changed_users(rng, take(state.users, ~leaving), rates.user_changes, today)
    tracks = take(state.tracks, ~flag(rng, rates.removed_tracks, len(state.tracks)))
    tracks = _changed_tracks(rng, tracks, rates.track_changes, today)

    users = append(users, state.arriving_users)
    tracks = append(tracks, state.arriving_tracks)
    next_user, next_track, next_history = state.next_serials
    sizes = (len(users), len(tracks))
    arriving_users, arriving_tracks = arrivals(
        rng, config, sizes, (next_user, next_track), day_before(config, day + 1)
    )

    growing = _growing(rng, config, histories, day)
    beginning = _beginning(rng, config, state, users, arriving_users)
    everyone = append(users, arriving_users)
    listeners = np.concatenate([histories.listener[growing], everyone.serial[beginning]])
    counts = rng.integers(1, MAX_NEW_LISTENS + 1, size=len(listeners))
    if not len(tracks):
        counts[:] = 0
    tastes = everyone.tastes[np.searchsorted(everyone.serial, listeners)]
    listens = draw_listens(rng, shelve(tracks), tastes if config.tastes else None, counts)
    if rates.late_listens:
        late = max(1, portion(rng, rates.late_listens, len(listens)))
        listens = name_late_tracks(rng, listens, late, arriving_tracks)
    items = as_items(listens, counts)

    histories = _grown(rng, histories, growing, items[: len(growing)], today)
    begun = _begun(rng, take(everyone, beginning), items[len(growing) :], today)
    begun = rewrite(begun, np.arange(len(begun)), serial=next_history + np.arange(len(begun)))
    return State(
        day=day,
        users=users,
        tracks=tracks,
        histories=append(histories, begun),
        arriving_users=arriving_users,
        arriving_tracks=arriving_tracks,
        next_serials=(
            next_user + len(arriving_users),
            next_track + len(arriving_tracks),
            next_history + len(begun),
        ),
    )


def _without_listeners(
    rng: np.random.Generator, histories: Histories, leaving: Integers
) -> Histories:
    """Closes the histories of users who leave, and removes every other of them."""
    orphans = np.flatnonzero(np.isin(histories.listener, leaving))
    histories = rewrite(histories, orphans, is_closed=True)
    staying = np.ones(len(histories), dtype=np.bool_)
    staying[orphans[flag(rng, 0.5, len(orphans))]] = False
    return take(histories, staying)


def _changed_users(rng: np.random.Generator, users: Users, share: float, today: Span) -> Users:
    rows = np.flatnonzero(flag(rng, share, len(users)))
    names = pools()
    what = rng.integers(len(USER_CHANGES), size=len(rows))
    first = rng.integers(len(names.first_names), size=len(rows))
    last = rng.integers(len(names.last_names), size=len(rows))
    tastes = drawn_tastes(rng, len(rows))
    values = {
        "first_name": names.first_names[first],
        "last_name": names.last_names[last],
        "email": drawn_emails(rng, first, last),
        "gender": drawn_genders(rng, len(rows)),
        "favorite_genres": written_favorites(rng, tastes),
    }
    for number, name in enumerate(USER_CHANGES):
        users = rewrite(users, rows[what == number], **{name: values[name][what == number]})
    # who names other genres likes other music from now on
    turning = what == USER_CHANGES.index("favorite_genres")
    users = rewrite(users, rows[turning], tastes=tastes[turning])
    return _touched(rng, users, rows, today)


def _changed_tracks(rng: np.random.Generator, tracks: Tracks, share: float, today: Span) -> Tracks:
    rows = np.flatnonzero(flag(rng, share, len(tracks)))
    what = rng.integers(len(TRACK_CHANGES), size=len(rows))
    titles = drawn_titles(rng, len(rows))
    values = {
        "edition": tracks.name[rows] + EDITIONS[rng.integers(len(EDITIONS), size=len(rows))],
        "name": titles,
        "album": titles,
        "genres": written_genres(rng, tracks.scenes[rows]),
        "duration": drawn_durations(rng, len(rows)),
    }
    for number, change in enumerate(TRACK_CHANGES):
        name = "name" if change == "edition" else change
        tracks = rewrite(tracks, rows[what == number], **{name: values[change][what == number]})
    return _touched(rng, tracks, rows, today)


def _touched(rng: np.random.Generator, table: AnyTable, rows: Integers, today: Span) -> AnyTable:
    """Moves `updated_at`: to this day, or for a quarter to some time before `created_at`."""
    created_at = table.created_at[rows]
    updated_at = np.where(
        rng.random(len(rows)) < UPDATED_BEFORE_CREATED,
        moments(rng, created_at, YEAR_MICROSECONDS, len(rows)),
        moments(rng, today.end, today.microseconds, len(rows)),
    )
    return rewrite(table, rows, updated_at=updated_at, changed_on=today.day)


def _growing(
    rng: np.random.Generator, config: WorldConfig, histories: Histories, day: int
) -> Integers:
    """Picks the histories that grow, those of active listeners more often."""
    rates = config.rates
    is_weekend = date_lived(config, day).weekday() >= SATURDAY
    share = rates.growing_histories * (rates.weekend_factor if is_weekend else 1.0)
    share = min(1.0, share * float(np.exp(rng.normal(0, rates.noise))))
    open_rows = np.flatnonzero(~histories.is_closed)
    count = portion(rng, share, len(open_rows))
    # the largest of log(weight) + Gumbel noise are a weighted draw without replacement
    keys = np.log(histories.activity[open_rows]) + rng.gumbel(size=len(open_rows))
    if not count:
        return open_rows[:0]
    return np.sort(open_rows[np.argpartition(-keys, count - 1)[:count]])


def _beginning(
    rng: np.random.Generator, config: WorldConfig, state: State, users: Users, arriving: Users
) -> Integers:
    """Picks who begins a history, as positions among the users and those of tomorrow."""
    rates = config.rates
    early_listeners = state.histories.listener[
        np.isin(state.histories.listener, state.arriving_users.serial)
    ]
    arrived = np.flatnonzero(
        np.isin(users.serial, state.arriving_users.serial) & ~np.isin(users.serial, early_listeners)
    )
    again_count = portion(rng, rates.new_histories, len(state.histories)) if len(users) else 0
    again = rng.integers(len(users), size=again_count) if again_count else arrived[:0]
    late_count = portion(rng, rates.late_users, len(arriving))
    if rates.late_users and len(arriving):
        late_count = max(1, late_count)
    late = len(users) + np.arange(late_count)
    return np.concatenate([arrived, again, late])


def _grown(
    rng: np.random.Generator,
    histories: Histories,
    rows: Integers,
    items: list[str],
    today: Span,
) -> Histories:
    lengthened = [
        f"{old},{new}" if old else new
        for old, new in zip(histories.items[rows].tolist(), items, strict=True)
    ]
    return rewrite(
        histories,
        rows,
        items=texts(lengthened),
        updated_at=moments(rng, today.end, today.microseconds, len(rows)),
        changed_on=today.day,
    )


def _begun(rng: np.random.Generator, listeners: Users, items: list[str], today: Span) -> Histories:
    count = len(listeners)
    created_at = moments(rng, today.end, today.microseconds, count)
    lived = rng.random(count) * (today.end - created_at).astype(np.int64)
    return Histories(
        serial=np.arange(count),
        changed_on=np.full(count, today.day),
        created_at=created_at,
        updated_at=created_at + lived.astype("timedelta64[us]"),
        user_id=listeners.id,
        items=texts(items),
        listener=listeners.serial,
        activity=drawn_activity(rng, count),
        is_closed=np.zeros(count, dtype=np.bool_),
    )
