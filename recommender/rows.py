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
import pyarrow.compute as pc
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


def id_lists(tracks: Tracks, track_ids: Ids) -> pa.ListArray:
    """Makes a value of each row of tracks: the ids of those that there are, null for none.

    Args:
        tracks: Columns of tracks (m, n), filled with `NO_TRACK`.
        track_ids: The track of each column.
    """
    is_there = tracks != NO_TRACK
    counts = is_there.sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    values = pa.array(track_ids[tracks[is_there]], pa.string())
    return pa.ListArray.from_arrays(ends, values, mask=pa.array(counts == 0))


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
        for place, field in enumerate(rows.schema):
            if pa.types.is_list(field.type):
                rows = rows.set_column(place, field.name, _array_literals(rows.column(place)))
        text = io.BytesIO()
        pa.csv.write_csv(rows, text, pa.csv.WriteOptions(include_header=False))
        statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
            sql.Identifier(SCHEMA, table),
            sql.SQL(", ").join(map(sql.Identifier, rows.schema.names)),
        )
        with connection.cursor().copy(statement) as copy:
            copy.write(text.getbuffer())


def _array_literals(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of text as PostgreSQL reads arrays; CSV has none."""
    column = lists.combine_chunks()
    quoted = pc.replace_substring_regex(column.values, r'(["\\])', r"\\\1")
    quoted = pc.binary_join_element_wise('"', quoted, '"', "")
    parts = pa.ListArray.from_arrays(column.offsets, quoted, mask=column.is_null())
    return pc.binary_join_element_wise("{", pc.binary_join(parts, ","), "}", "")
