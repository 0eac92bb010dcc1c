"""The source Spotify: the histories of streams that a person can ask for, as files.

Unlike an API it is no state of the world but a list of events, each with the moment at which it
happened, and it comes when somebody asks for it. It lands as it is, each event once.

In: the events of an export. Out: one resource per kind of event, for `raw_spotify`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from ingestion.endpoint import Endpoint
from ingestion.sources.spotify.history import History
from ingestion.sources.spotify.records import AccountStream, Stream, as_account_stream

PIPELINE = "spotify_export"
"""Name of the dlt pipeline, as people type it."""

SOURCE_NAME = "spotify"
"""What marts call it."""

LANDING_SCHEMA = "raw_spotify"

_PERSONAL = frozenset({"details"})

STREAMS = Endpoint("streams", Stream, key=("ts",), personal=_PERSONAL)
"""The extended streaming history."""

ACCOUNT_STREAMS = Endpoint(
    "account_streams",
    AccountStream,
    key=("end_time",),
    personal=_PERSONAL,
    understand=as_account_stream,
)
"""The streaming history of the account data."""

ENDPOINTS = (STREAMS, ACCOUNT_STREAMS)
"""The fuller one first."""


@dlt.source(name=PIPELINE)
def spotify_export(histories: Sequence[History], landed_at: datetime) -> Iterator[DltResource]:
    """The events of an export that are not landed yet.

    Args:
        histories: Events, one history of each kind that there is.
        landed_at: From when they are valid, later than any crawl.

    Yields:
        One resource per history.
    """

    # a function, as in the source MooVitamix
    def events(history: History) -> Iterator[pa.Table]:
        yield from history.tables(landed_at)

    for history in histories:
        yield dlt.resource(
            events,
            name=history.endpoint.name,
            columns=history.columns,
            file_format="parquet",
            write_disposition={"disposition": "merge", "strategy": "insert-only"},
        )(history)


_OF = " of "


def rejected_of(endpoint: Endpoint, user_id: str) -> str:
    """What rejected records of a person are filed under: events do not say whose they are.

    Args:
        endpoint: What they were read as.
        user_id: Whose export it is.
    """
    return f"{endpoint.name}{_OF}{user_id}"


def owner_of_rejected(filed_under: str) -> str:
    """Whose a rejected record is.

    Args:
        filed_under: As `rejected_of` says it.
    """
    return filed_under.partition(_OF)[2]
