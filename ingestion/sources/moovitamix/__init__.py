"""The source MooVitamix, a music application's API: its endpoints, as a source of dlt.

In: the rows of a crawl that was proven complete. Out: one resource per endpoint, whose table in
`raw_moovitamix` has every version of a record once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from ingestion import PIPELINE
from ingestion.endpoint import ROW_HASH, Endpoint
from ingestion.landing.proven_rows import ProvenRows
from ingestion.sources.moovitamix.records import ListenHistory, Track, User

SOURCE_NAME = "moovitamix"
"""What marts call it."""

LANDING_SCHEMA = "raw_moovitamix"


def _duration_as_text(track: dict[str, Any]) -> dict[str, Any]:
    """Lands whole seconds as their digits; staging understands both forms."""
    duration = track.get("duration")
    if isinstance(duration, int) and not isinstance(duration, bool):
        return {**track, "duration": str(duration)}
    return track


ENDPOINTS = (
    Endpoint(
        "users",
        User,
        key=("id",),
        person="id",
        personal=frozenset({"first_name", "last_name", "email"}),
    ),
    Endpoint("tracks", Track, key=("id",), understand=_duration_as_text),
    # no id: a user can have several records, told apart by when they were created
    Endpoint("listen_history", ListenHistory, key=("user_id", "created_at"), person="user_id"),
)


# dlt keeps a source's schema under its name, in the warehouse too: another name is another schema
@dlt.source(name=PIPELINE)
def moovitamix(crawl: Sequence[ProvenRows], boundary_at: datetime) -> Iterator[DltResource]:
    """Users, tracks and listen histories as of a crawl; each version of a record lands once.

    The API is crawled before: a resource that finds out on its last page that rows are missing
    has yielded the others already (docs/decisions/0001).

    Args:
        crawl: What is valid, endpoint by endpoint.
        boundary_at: From when new versions are valid, until when closed ones were.

    Yields:
        One resource per endpoint.
    """

    # a function: given a generator, dlt looks for its module among all that are loaded
    def versions(rows: ProvenRows) -> Iterator[pa.Table]:
        yield from rows.tables()

    for rows in crawl:
        yield dlt.resource(
            versions,
            name=rows.endpoint.name,
            columns=rows.columns,
            # a parquet file without rows cannot be copied over ADBC
            file_format="csv" if rows.is_empty else "parquet",
            write_disposition={
                "disposition": "merge",
                "strategy": "scd2",
                "row_version_column_name": ROW_HASH,
                "boundary_timestamp": boundary_at,
            },
        )(rows)
