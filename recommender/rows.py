"""Rows on their way into the tables of schema `recommendations`.

In: lists as matrices of columns of tracks. Out: rows in place of those that were there before.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray
from psycopg import sql

from recommender.models import NO_TRACK, Tracks
from recommender.tables import SCHEMA

Ids = NDArray[np.object_]


def list_columns(owner_ids: Ids, tracks: Tracks, track_ids: Ids) -> tuple[Ids, Any, Ids]:
    """Makes rows of lists: those of an owner in order, without what fills them.

    Args:
        owner_ids: Whose lists they are (u).
        tracks: Columns of tracks (u, n), filled with `NO_TRACK`.
        track_ids: The track of each column.

    Returns:
        Owner, rank from 1, and track of each row.
    """
    is_listed = tracks != NO_TRACK
    owners, places = np.nonzero(is_listed)
    return owner_ids[owners], places + 1, track_ids[tracks[is_listed]]


def replace_rows(
    connection: psycopg.Connection,
    table: str,
    parts: Iterable[pa.Table],
    key: Mapping[str, object],
    constants: Mapping[str, object],
) -> None:
    """Replaces the rows of a key.

    Args:
        connection: Connection with an open transaction.
        table: Name of the table.
        parts: The new rows, some at a time.
        key: Which rows go, by column; the new ones have the same.
        constants: Further values that all new rows share, by column.
    """
    matches = [sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in key]
    connection.execute(
        sql.SQL("delete from {} where {}").format(
            sql.Identifier(SCHEMA, table), sql.SQL(" and ").join(matches)
        ),
        key,
    )
    for part in parts:
        rows = part
        for name, value in {**key, **constants}.items():
            rows = rows.append_column(name, pa.repeat(pa.scalar(value), rows.num_rows))
        text = io.BytesIO()
        pa.csv.write_csv(rows, text, pa.csv.WriteOptions(include_header=False))
        statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
            sql.Identifier(SCHEMA, table),
            sql.SQL(", ").join(map(sql.Identifier, rows.schema.names)),
        )
        with connection.cursor().copy(statement) as copy:
            copy.write(text.getbuffer())
