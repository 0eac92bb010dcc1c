"""Five days of a source on which all happens that can happen to a record."""

from __future__ import annotations

from datetime import datetime

from tests.dbt_project.landing import Day, history, track, user

OTHER_RECORD = datetime(2026, 3, 2)
BACK_DATED = datetime(2019, 1, 1)


def days() -> list[Day]:
    """What the source holds on each day."""
    first = Day(
        users=(user(1), user(2)),
        tracks=(track(10), track(11), track(12), track(13, artist=" ", genres="", album=None)),
        listen_history=(
            history(1, [10, 11, 10]),
            history(2, [12, 13]),
            history(None, [10]),
            # neither the user nor the track has a record yet
            history(9, [99, 10]),
            history(3, None),
        ),
    )
    # shrunk and reordered; a new record that claims to be old; a user and a track changed
    second = (
        first.having("listen_history", history(1, [11, 10], updated_at=datetime(2026, 6, 1, 12)))
        .having("listen_history", history(1, [12], OTHER_RECORD, BACK_DATED))
        .having("users", user(1, gender="Agender", favorite_genres="rock, Pop , ROCK"))
        .having("tracks", track(11, name="Renamed", genres="Hip-Hop,drum and bass"))
    )
    # a record, its user and its track are gone; late user and track arrive
    third = (
        second.without("listen_history", (2, datetime(2026, 3, 1)))
        .without("users", (2,))
        .without("tracks", (12,))
        .having("users", user(9))
        .having("tracks", track(99, duration="185"))
    )
    # all are back, the record longer and with a repeat; times that cannot be
    fourth = (
        third.having("listen_history", history(2, [12, 12, 10]))
        .having("users", user(2, favorite_genres="Jazz,Blues"))
        .having("tracks", track(12))
        .having("listen_history", history(1, [12, 11], OTHER_RECORD, None))
        .having("listen_history", history(None, [10, 11], updated_at=datetime(2031, 1, 1)))
        .having("listen_history", history(9, [10, 99, 10], updated_at=datetime(1200, 1, 1)))
    )
    return [first, second, third, fourth, fourth]
