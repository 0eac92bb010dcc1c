"""The source Events: listens as they happen, that an application produces to a Kafka topic.

An event is an immutable fact with the time at which it happened. It lands once, whatever the topic
or the consumer does. Users and tracks have the ids of the source MooVitamix.
"""

from __future__ import annotations

from ingestion.endpoint import Endpoint
from ingestion.sources.events.records import ListenEvent

SOURCE_NAME = "events"
"""What marts call it."""

LANDING_SCHEMA = "raw_events"

LISTENS = Endpoint(
    "listens",
    ListenEvent,
    key=("event_id",),
    person="user_id",
    personal=frozenset({"context", "details"}),
)

ENDPOINTS = (LISTENS,)
