"""Who listened to what, read from the marts.

In: the feature marts and the fact. Out: matrices and arrays of one source. Rows stream through
Arrow batches and become indices at once, so the text of an id is held only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi
from numpy.typing import NDArray
from psycopg import sql
from scipy.sparse import csr_array

from warehouse.database import library_url
from warehouse.errors import DatabaseError
from warehouse.settings import Settings

APPLICATION = "listenhouse recommender"

GENRE_SEPARATOR = ", "

_USERS: LiteralString = """
    select user_id, favorite_genre_names, first_listened_at, data_cutoff_at
    from marts.rpt_user_features
    where source_name = {source_name} and not is_deleted
    order by user_id collate "C"
"""

_TRACKS: LiteralString = """
    select
        track_id,
        artist_key::text as artist,
        album_key::text as album,
        genre_names,
        not is_deleted and not is_inferred as is_recommendable
    from marts.rpt_track_features
    where source_name = {source_name}
    order by track_id collate "C"
"""

_AFFINITIES: LiteralString = """
    select user_id, track_id, listen_count
    from marts.rpt_user_track_affinities
    where source_name = {source_name}
"""

_LISTENS: LiteralString = """
    select user_id, track_id, first_observed_at, listened_at, position
    from marts.fct_listens
    where
        source_name = {source_name}
        and user_id is not null
        and first_observed_at <= {data_cutoff}
"""


@dataclass(frozen=True)
class Interactions:
    """What the users of one source have listened to.

    Attributes:
        source_name: The source.
        user_ids: Ids of active users, sorted; those without a listen included.
        track_ids: Ids of the tracks there are or were, sorted.
        plays: Listens by user and track (n_users, n_tracks), float32.
        user_genres: 1 where a genre is a favourite of a user (n_users, n_genres), float32.
        recommendable: Whether a track may be recommended: not deleted, not inferred (n_tracks).
        artists: A number for the artist of each track, -1 where none is known (n_tracks).
        albums: A number for the album of each track, -1 where none is known (n_tracks).
        track_genres: 1 where a track has a genre (n_tracks, genres of tracks), float32.
        first_listened_at: When each user listened first, UTC; NaT without a listen (n_users).
        data_cutoff: The boundary that the marts are as of, UTC.
    """

    source_name: str
    user_ids: NDArray[np.object_]
    track_ids: NDArray[np.object_]
    plays: csr_array
    user_genres: csr_array
    recommendable: NDArray[np.bool_]
    artists: NDArray[np.int64]
    albums: NDArray[np.int64]
    track_genres: csr_array
    first_listened_at: NDArray[np.datetime64]
    data_cutoff: datetime


@dataclass(frozen=True)
class Listens:
    """Listens of known users to known tracks, sorted by user, and from first to last.

    Attributes:
        users: Row of the user in the interactions, int32.
        tracks: Column of the track, int32.
        observed_at: When a crawl first saw the listen, UTC, datetime64[us].
    """

    users: NDArray[np.int32]
    tracks: NDArray[np.int32]
    observed_at: NDArray[np.datetime64]


def read_interactions(settings: Settings, source_name: str) -> Interactions:
    """Reads what users have listened to, in one snapshot of the marts.

    Args:
        settings: Which warehouse.
        source_name: Which source.

    Raises:
        DatabaseError: The marts cannot be read, or hold no user or no track of the source; says
            what to do.
    """
    with _reading(settings) as cursor:
        users = _table(cursor, _USERS, source_name=source_name)
        tracks = _table(cursor, _TRACKS, source_name=source_name)
        if not (len(users) and len(tracks)):
            raise DatabaseError(
                f"The marts hold no user or no track of the source {source_name}: load it and "
                "run `dbt build`, or correct the name."
            )
        user_ids, track_ids = users["user_id"], tracks["track_id"]
        shape = (len(user_ids), len(track_ids))
        rows, columns, counts = [], [], []
        for batch in _batches(cursor, _AFFINITIES, source_name=source_name):
            row, column, is_known = _places(batch, user_ids, track_ids)
            rows.append(row)
            columns.append(column)
            counts.append(batch["listen_count"].to_numpy()[is_known].astype(np.float32))
        places = (_joined(rows, np.int32), _joined(columns, np.int32))
        plays = csr_array((_joined(counts, np.float32), places), shape=shape)
    return Interactions(
        source_name=source_name,
        user_ids=user_ids.to_numpy(),
        track_ids=track_ids.to_numpy(),
        plays=plays,
        user_genres=_genres(users["favorite_genre_names"]),
        recommendable=tracks["is_recommendable"].to_numpy(),
        artists=_numbers(tracks["artist"]),
        albums=_numbers(tracks["album"]),
        track_genres=_genres(tracks["genre_names"]),
        first_listened_at=users["first_listened_at"].to_numpy().astype("datetime64[us]"),
        data_cutoff=pc.max(users["data_cutoff_at"]).as_py().replace(tzinfo=UTC),
    )


def read_listens(settings: Settings, interactions: Interactions) -> Listens:
    """Reads the single listens behind interactions, up to their cutoff.

    Args:
        settings: Which warehouse.
        interactions: Whose users and tracks; listens that name others are left out.

    Raises:
        DatabaseError: The fact cannot be read; says what to do.
    """
    user_ids, track_ids = pa.array(interactions.user_ids), pa.array(interactions.track_ids)
    cutoff = interactions.data_cutoff.replace(tzinfo=None)
    users, tracks, observed, listened, positions = [], [], [], [], []
    with _reading(settings) as cursor:
        for batch in _batches(
            cursor, _LISTENS, source_name=interactions.source_name, data_cutoff=cutoff
        ):
            user, track, is_known = _places(batch, user_ids, track_ids)
            users.append(user)
            tracks.append(track)
            observed.append(_times(batch["first_observed_at"])[is_known])
            listened.append(_times(batch["listened_at"])[is_known])
            positions.append(batch["position"].to_numpy()[is_known])
    joined_users, observed_at = _joined(users, np.int32), _joined(observed, "datetime64[us]")
    listened_at, position = _joined(listened, "datetime64[us]"), _joined(positions, np.int32)
    # what one crawl saw is in the order of its record, the last item being the latest
    order = np.lexsort((position, listened_at, observed_at, joined_users))
    return Listens(joined_users[order], _joined(tracks, np.int32)[order], observed_at[order])


_NOT_BUILT = ("3F000", "42P01")
"""PostgreSQL's codes for a schema and a table that are not there."""


@contextmanager
def _reading(settings: Settings) -> Iterator[dbapi.Cursor]:
    """A cursor that sees one snapshot of the database."""
    try:
        with (
            dbapi.connect(library_url(settings, APPLICATION, {})) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("set transaction isolation level repeatable read read only")
            yield cursor
    except dbapi.Error as error:
        if error.sqlstate in _NOT_BUILT:
            raise DatabaseError(
                "There are no marts to recommend from yet: run `listenhouse run`, or `dbt build` "
                "where a load was landed already."
            ) from error
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DatabaseError(
            f"The marts could not be read ({cause}): run `dbt build`, and check that the user in "
            "LISTENHOUSE_DATABASE_URL may read the schema marts."
        ) from error


def _batches(cursor: dbapi.Cursor, query: LiteralString, **values: Any) -> Iterator[pa.RecordBatch]:
    literals = {name: sql.Literal(value) for name, value in values.items()}
    cursor.execute(sql.SQL(query).format(**literals).as_string(None))
    yield from cursor.fetch_record_batch()


def _table(cursor: dbapi.Cursor, query: LiteralString, **values: Any) -> pa.Table:
    literals = {name: sql.Literal(value) for name, value in values.items()}
    cursor.execute(sql.SQL(query).format(**literals).as_string(None))
    return cursor.fetch_arrow_table().combine_chunks()


def _places(
    batch: pa.RecordBatch, user_ids: pa.Array, track_ids: pa.Array
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Rows and columns of a batch's ids, and which of the batch are of known ids."""
    users = pc.index_in(batch["user_id"], value_set=user_ids)
    tracks = pc.index_in(batch["track_id"], value_set=track_ids)
    is_known = pc.and_(pc.is_valid(users), pc.is_valid(tracks))
    places = (users.filter(is_known).to_numpy(), tracks.filter(is_known).to_numpy())
    return *places, is_known.to_numpy(zero_copy_only=False)


def _genres(names: pa.ChunkedArray) -> csr_array:
    """A column for each genre that is named, in the order of their names."""
    lists = pc.split_pattern(pc.fill_null(names, ""), GENRE_SEPARATOR).combine_chunks()
    named = pc.list_flatten(lists)
    rows = pc.list_parent_indices(lists)
    is_named = pc.not_equal(named, "")
    named, rows = named.filter(is_named), rows.filter(is_named)
    genres = pc.unique(named).sort()
    places = (rows.to_numpy(), pc.index_in(named, value_set=genres).to_numpy())
    shape = (len(names), len(genres))
    return csr_array((np.ones(len(named), np.float32), places), shape=shape)


def _numbers(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for each name, -1 for none."""
    encoded = pc.dictionary_encode(names).combine_chunks()
    numbers: NDArray[np.int64] = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    return numbers


def _times(column: pa.Array) -> NDArray[np.datetime64]:
    times: NDArray[np.datetime64] = column.to_numpy(zero_copy_only=False)
    return times.astype("datetime64[us]")


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """One array of many; an empty one of none."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)
