"""Listening events, landed as a consumer lands them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ingestion.sources.events.landing import Message, create_tables, land_batch, read_offsets
from warehouse.database import connect
from warehouse.settings import Settings

TOPIC = "listens"


def land(settings: Settings, *events: Mapping[str, Any]) -> None:
    """Lands events as a consumer does."""
    with connect(settings, "listenhouse consume") as connection:
        create_tables(connection)
        positions = read_offsets(connection, TOPIC, [0])
        messages = [
            Message(0, positions[0] + number, json.dumps({"seconds_played": 30, **event}).encode())
            for number, event in enumerate(events)
        ]
        land_batch(connection, settings, TOPIC, messages, positions)


def play(event_id: str, user_id: int, track_id: int, at: str, **others: Any) -> dict[str, Any]:
    """An event of 30 seconds."""
    return {
        "event_id": event_id,
        "user_id": user_id,
        "track_id": track_id,
        "played_at": at,
        **others,
    }
