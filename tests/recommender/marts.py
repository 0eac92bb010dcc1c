"""The marts that the recommender reads, as small tables made in a moment.

In: users, tracks and listens. Out: tables with the columns that the contracts promise. That dbt
builds such tables is the concern of `test_end_to_end`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

CUTOFF = datetime(2026, 3, 1, 4, tzinfo=UTC)
TASTES = ("Rock", "Jazz", "Folk", "Funk")
USERS_PER_TASTE, TRACKS_PER_TASTE, PLAYS_PER_USER = 60, 30, 12

_TABLES = """
    create schema marts;
    create table marts.rpt_user_features (
        source_name text not null,
        user_id text not null,
        favorite_genre_names text,
        listen_count integer not null default 0,
        is_deleted boolean not null default false,
        is_inferred boolean not null default false,
        first_listened_at timestamp,
        data_cutoff_at timestamp not null
    );
    create table marts.rpt_track_features (
        source_name text not null,
        track_id text not null,
        artist_key uuid,
        album_key uuid,
        genre_names text,
        listener_count integer not null default 0,
        is_deleted boolean not null default false,
        is_inferred boolean not null default false,
        data_cutoff_at timestamp not null
    );
    create table marts.rpt_user_track_affinities (
        source_name text not null,
        user_id text not null,
        track_id text not null,
        listen_count integer not null
    );
    create table marts.fct_listens (
        source_name text not null,
        user_id text,
        track_id text,
        position integer not null,
        listened_at timestamp not null,
        first_observed_at timestamp not null
    );
"""

_REFRESH = """
    update marts.rpt_user_features set data_cutoff_at = %(cutoff)s;
    update marts.rpt_track_features set data_cutoff_at = %(cutoff)s;
    update marts.rpt_user_features as users
    set first_listened_at = listens.first_listened_at
    from (
        select source_name, user_id, min(listened_at) as first_listened_at
        from marts.fct_listens
        group by 1, 2
    ) as listens
    where users.source_name = listens.source_name and users.user_id = listens.user_id;
    truncate marts.rpt_user_track_affinities;
    insert into marts.rpt_user_track_affinities
    select source_name, user_id, track_id, count(*)
    from marts.fct_listens
    where user_id is not null
    group by 1, 2, 3;
"""


@dataclass
class Marts:
    """The marts of a database.

    Attributes:
        connection: An autocommitting connection.
    """

    connection: psycopg.Connection

    def create(self) -> None:
        """Creates the empty tables."""
        self.connection.execute(_TABLES)

    def add_users(self, *user_ids: str, genre: str | None = None) -> None:
        """Adds users, without a listen."""
        self.connection.cursor().executemany(
            "insert into marts.rpt_user_features (source_name, user_id, favorite_genre_names,"
            " data_cutoff_at) values ('moovitamix', %s, %s, 'epoch')",
            [(user_id, genre) for user_id in user_ids],
        )

    def add_tracks(self, *track_ids: str, genre: str | None = None) -> None:
        """Adds tracks that nobody played."""
        self.connection.cursor().executemany(
            "insert into marts.rpt_track_features (source_name, track_id, genre_names,"
            " data_cutoff_at) values ('moovitamix', %s, %s, 'epoch')",
            [(track_id, genre) for track_id in track_ids],
        )

    def listen(self, user_id: str, track_ids: Iterable[str], at: datetime) -> None:
        """Adds listens of a user that a crawl observed."""
        time = at.astimezone(UTC).replace(tzinfo=None)
        with self.connection.cursor().copy(
            "copy marts.fct_listens (source_name, user_id, track_id, position, listened_at,"
            " first_observed_at) from stdin"
        ) as copy:
            for position, track_id in enumerate(track_ids, start=1):
                copy.write_row(("moovitamix", user_id, track_id, position, time, time))

    def refresh(self, cutoff: datetime) -> None:
        """Brings the features in line with the listens, as of a boundary."""
        time = cutoff.astimezone(UTC).replace(tzinfo=None)
        psycopg.ClientCursor(self.connection).execute(_REFRESH, {"cutoff": time})


def fill(marts: Marts) -> None:
    """Four groups of users, each of which plays its own tracks, in the crawls of 20 days.

    Track 0 of each taste is played by all, so popularity has something to say. Besides them
    there are `new`, who never listened, and `shy`, who listened once.
    """
    generator = random.Random(5)  # noqa: S311 (no secret)
    for taste in TASTES:
        tracks = [f"{taste}-{number}" for number in range(TRACKS_PER_TASTE)]
        marts.add_tracks(*tracks, genre=taste)
        marts.add_users(*(f"{taste}-{n}" for n in range(USERS_PER_TASTE)), genre=taste)
    for taste in TASTES:
        for number in range(USERS_PER_TASTE):
            own = generator.sample(range(1, TRACKS_PER_TASTE), PLAYS_PER_USER)
            played = [f"{other}-0" for other in TASTES] + [f"{taste}-{track}" for track in own]
            generator.shuffle(played)
            for place, track in enumerate(played):
                day = timedelta(days=len(played) - place + number % 5)
                marts.listen(f"{taste}-{number}", [track], CUTOFF - day)
    marts.add_users("new", genre="Jazz")
    marts.add_users("shy")
    marts.listen("shy", ["Folk-3"], CUTOFF - timedelta(days=9))
    marts.refresh(CUTOFF)
