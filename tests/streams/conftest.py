"""A real Kafka broker, and a house whose first crawl is committed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tools.kafka_broker import Broker, why_unavailable
from warehouse.settings import Settings

PARTITIONS = 3


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for all tests of streams; each has topics of its own."""
    if lacking := why_unavailable():
        pytest.skip(lacking)
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic(broker: Broker) -> str:
    """An empty topic."""
    name = f"listens-{uuid4()}"
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
        created.result()
    return name


@pytest.fixture
def streaming(
    settings: Settings, connection: psycopg.Connection, broker: Broker, topic: str
) -> Settings:
    """Settings of a warehouse whose first crawl is committed, and of the topic."""
    landing = Landing(connection)
    landing.create()
    landing.crawl(boundary(1), days()[0])
    return settings.but(kafka=broker.bootstrap_servers, events_topic=topic)


def event(number: int, **changed: Any) -> dict[str, Any]:
    """A listening event of user 1 to 3."""
    return {
        "event_id": f"e{number}",
        "user_id": number % 3 + 1,
        "track_id": number % 5 + 1,
        "played_at": f"2026-05-{number % 28 + 1:02}T{number // 28 % 24:02}:00:{number % 60:02}Z",
        "seconds_played": 200,
        **changed,
    }


def produce(settings: Settings, values: Sequence[Mapping[str, Any] | bytes | None]) -> None:
    """Produces values, events keyed by user, and waits until the broker has them."""
    producer = Producer({"bootstrap.servers": str(settings.kafka), "linger.ms": 20})
    for value in values:
        if isinstance(value, Mapping):
            body, key = json.dumps(value).encode(), str(value["user_id"])
            producer.produce(settings.events_topic, body, key=key)
        else:
            producer.produce(settings.events_topic, value)
        producer.poll(0)
    assert producer.flush(30) == 0
