"""Rows arrive in their tables as they are, whatever ids look like."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import psycopg
import pyarrow as pa

from recommender.models import NO_TRACK
from recommender.rows import id_lists, replace_rows
from recommender.tables import create_tables

ODD = np.array(['a"b', "c,d", "{e}", "f\\g", "null", " ", "é\n"], dtype=object)


def test_lists_of_ids_become_arrays(connection: psycopg.Connection) -> None:
    create_tables(connection)
    tracks = np.array([[0, 1], [2, 3], [4, 5], [6, NO_TRACK], [NO_TRACK, NO_TRACK]], np.int32)
    rows = pa.table(
        {
            "user_id": pa.repeat("u", len(tracks)),
            "rank": np.arange(len(tracks)),
            "track_id": pa.repeat("t", len(tracks)),
            "score": np.zeros(len(tracks)),
            "source": pa.repeat("model", len(tracks)),
            "because": id_lists(tracks, ODD),
        }
    )
    key = {"for_date": date(2026, 3, 1), "source_name": "moovitamix"}
    time = datetime(2026, 3, 1, tzinfo=UTC)
    # and some of them
    parts = [rows.slice(0, 2), rows.slice(2)]
    replace_rows(
        connection, "recommendations", parts, key, {"data_cutoff": time, "generated_at": time}
    )
    assert connection.execute(
        "select because from recommendations.recommendations order by rank"
    ).fetchall() == [
        (['a"b', "c,d"],),
        (["{e}", "f\\g"],),
        (["null", " "],),
        (["é\n"],),
        (None,),
    ]
