"""Who listened to what, read from the marts.

In: the feature marts and the fact. Out: matrices and arrays of one source. Rows stream through
Arrow batches and become indices at once; the text of an id is held once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi
from numpy.typing import NDArray
from psycopg import sql
from scipy.sparse import csr_array

from warehouse.database import explain_failure, library_url
from warehouse.errors import DatabaseError
from warehouse.settings import Settings

APPLICATION = "listenhouse recommender"
GENRE_SEPARATOR = ", "

_USERS: LiteralString = """
    select user_id, favorite_genre_names, first_listened_at, data_cutoff_at
    from marts.rpt_user_features
    where source_name = {} and not is_deleted
    order by user_id collate "C"
"""

_TRACKS: LiteralString = """
    select track_id, not is_deleted and not is_inferred as is_recommendable
    from marts.rpt_track_features
    where source_name = {}
    order by track_id collate "C"
"""

_AFFINITIES: LiteralString = """
    select user_id, track_id, listen_count
    from marts.rpt_user_track_affinities
    where source_name = {}
"""

_LISTENS: LiteralString = """
    select user_id, track_id, first_observed_at, listened_at, position
    from marts.fct_listens
    where source_name = {} and user_id is not null and first_observed_at <= {}
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
        first_listened_at: When each user listened first, UTC; NaT without a listen (n_users).
        data_cutoff: The boundary that the marts are as of, UTC.
    """

    source_name: str
    user_ids: NDArray[np.object_]
    track_ids: NDArray[np.object_]
    plays: csr_array
    user_genres: csr_array
    recommendable: NDArray[np.bool_]
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
        DatabaseError: The marts are not built, hold no user or no track of the source, or the
            server failed; says what to do.
    """
    raise NotImplementedError


def read_listens(settings: Settings, interactions: Interactions) -> Listens:
    """Reads the single listens behind interactions, up to their cutoff.

    Args:
        settings: Which warehouse.
        interactions: Whose users and tracks; what names others is left out.

    Raises:
        DatabaseError: The fact is not built, or the server failed; says what to do.
    """
    raise NotImplementedError
