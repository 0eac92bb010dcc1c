"""The listens of a day as events, as an application would produce them while they happen.

In: the worlds of a day and of the day before. Out: an event for each listen that is new, in the
order of playing, keyed by user in a Kafka topic. Day 0 has none: its listens are history.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from simulator.world import World

_PATIENCE_SECONDS = 30
"""How long a broker may take to acknowledge what was produced."""

_DEFAULT_SECONDS = 180
"""Of a track whose duration is missing, or odd."""


class EventsError(Exception):
    """Events cannot be produced."""


def listening_events(before: World, today: World) -> Iterator[dict[str, Any]]:
    """Yields an event per new listen; the same worlds give the same events.

    A record grows at its end, and `updated_at` is when it grew: its new listens end then, one after
    another.

    Args:
        before: The world of the day before.
        today: The world of the day.

    Yields:
        Events in the shape of `ingestion.sources.events.records`, ordered by `played_at`.
    """
    lengths = {_key(record): len(record["items"]) for record in before.rows("listen_history")}
    seconds = {track["id"]: _seconds(track["duration"]) for track in today.rows("tracks")}
    events = []
    for record in today.rows("listen_history"):
        known = lengths.get(_key(record), 0)
        ended_at = datetime.fromisoformat(record["updated_at"])
        for position in range(len(record["items"]) - 1, known - 1, -1):
            track_id = record["items"][position]
            played = seconds.get(track_id, _DEFAULT_SECONDS)
            started_at = ended_at - timedelta(seconds=played)
            events.append(
                {
                    "event_id": f"{record['user_id']}-{record['created_at']}-{position}",
                    "user_id": record["user_id"],
                    "track_id": track_id,
                    "played_at": f"{started_at.isoformat()}Z",
                    "seconds_played": played,
                }
            )
            ended_at = started_at
    yield from sorted(events, key=lambda event: (event["played_at"], event["event_id"]))


def produce_events(before: World, today: World, broker: str, topic: str) -> int:
    """Produces the events of a day, and waits until the broker has them.

    Args:
        before: The world of the day before.
        today: The world of the day.
        broker: Where, as `host:port`.
        topic: The topic.

    Returns:
        How many there were.

    Raises:
        EventsError: The client is not installed, or the broker did not take them.
    """
    try:
        from confluent_kafka import Producer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EventsError(
            "Events need the package confluent-kafka, which is not installed: run `make kafka`."
        ) from error
    # log level 2: every attempt to connect would be a line on the terminal
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "log_level": 2})
    count = 0
    for event in listening_events(before, today):
        while True:
            try:
                producer.produce(topic, json.dumps(event), key=str(event["user_id"]))
                break
            except BufferError:
                producer.poll(1)
        count += 1
    if left := producer.flush(_PATIENCE_SECONDS):
        raise EventsError(
            f"Kafka at {broker} did not take {left:,} of {count:,} events: check that it runs."
        )
    return count


def _key(record: dict[str, Any]) -> tuple[int, str]:
    return record["user_id"], record["created_at"]


def _seconds(duration: str | None) -> int:
    minutes, _, seconds = str(duration).partition(":")
    if not (minutes.isdecimal() and seconds.isdecimal()):
        return _DEFAULT_SECONDS
    return 60 * int(minutes) + int(seconds) or _DEFAULT_SECONDS
