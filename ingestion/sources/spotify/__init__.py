"""The source Spotify: the histories of streams that a person can ask for, as files.

Unlike an API it is no state of the world but a list of events, each with the moment at which it
happened, and it comes when somebody asks for it. It lands as it is, each event once.
"""

from __future__ import annotations

from ingestion.endpoint import Endpoint
from ingestion.sources.spotify.records import AccountStream, Stream, as_account_stream

PIPELINE = "spotify_export"
"""Name of the dlt pipeline, as people type it."""

SOURCE_NAME = "spotify"
"""What marts call it."""

LANDING_SCHEMA = "raw_spotify"

STREAMS = Endpoint("streams", Stream, key=("ts",))
"""The extended streaming history."""

ACCOUNT_STREAMS = Endpoint(
    "account_streams", AccountStream, key=("end_time",), understand=as_account_stream
)
"""The streaming history of the account data."""

ENDPOINTS = (STREAMS, ACCOUNT_STREAMS)
"""The fuller one first."""

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
