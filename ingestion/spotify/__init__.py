"""The source Spotify: the extended streaming history that a person can ask for, as files.

Unlike an API it is no state of the world but a list of events, each with the moment at which it
happened, and it comes when somebody asks for it. It lands as it is, each event once.
"""

from __future__ import annotations

from ingestion.endpoint import Endpoint
from ingestion.spotify.records import Stream

PIPELINE = "spotify_export"
"""Name of the dlt pipeline, as people type it."""

SOURCE_NAME = "spotify"
"""What marts call it."""

LANDING_SCHEMA = "raw_spotify"

STREAMS = Endpoint("streams", Stream, key=("ts",))


def rejected_of(user_id: str) -> str:
    """What rejected records of a person are filed under: events do not say whose they are.

    Args:
        user_id: Whose export it is.
    """
    return f"{STREAMS.name} of {user_id}"
