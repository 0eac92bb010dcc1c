"""The source MooVitamix, a music application's API: its endpoints and where they land."""

from __future__ import annotations

from typing import Any

from ingestion.endpoint import Endpoint
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
    Endpoint("users", User, key=("id",), person="id"),
    Endpoint("tracks", Track, key=("id",), understand=_duration_as_text),
    # no id: a user can have several records, told apart by when they were created
    Endpoint("listen_history", ListenHistory, key=("user_id", "created_at"), person="user_id"),
)
