"""Events a second, from a Kafka topic to committed rows, beside what it cannot be faster than.

    python -m benchmarks.events [--events 500000] [--rounds 3]

In: the installed project, and the jars of `make kafka`. Out: medians of events a second and CPU of
this process, of a consumer that counts, of COPY of the same rows into the same table, and of
`listenhouse consume --until-end`. Broker and PostgreSQL run on the same machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, Producer

from ingestion.landing.crawl_ledger import create_crawls
from ingestion.sources import moovitamix
from ingestion.sources.events.consumer import EventConsumer
from ingestion.sources.events.landing import create_tables
from operations.services import embedded_postgres
from tools.kafka_broker import Broker
from warehouse.database import create_schema
from warehouse.settings import Settings

POSTGRES_PORT, TOPIC = 25470, "listens"

COLUMNS = "event_id, user_id, track_id, played_at, seconds_played, topic, partition_number,"
COLUMNS += " message_offset, landed_at"


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with _services() as settings:
        _produce(settings, options.events)
        ways: dict[str, Callable[[Settings, int], None]] = {
            "librdkafka alone": _count,
            "COPY alone": _copy,
            "consume": _consume,
        }
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way, run in ways.items():
                print(f"round {number + 1}: {way}", file=sys.stderr)
                _empty(settings)
                wall, cpu = time.perf_counter(), time.process_time()
                run(settings, options.events)
                found[way].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{options.events:,} events, median of {options.rounds}")
    print(f"{'':18}{'events/s':>10}{'CPU s':>8}")
    for way, costs in found.items():
        wall = statistics.median(wall for wall, _ in costs)
        cpu = statistics.median(cpu for _, cpu in costs)
        print(f"{way:18}{options.events / wall:>10,.0f}{cpu:>8.1f}")


@contextmanager
def _services() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        settings = Settings(
            home=Path(folder) / "home",
            embedded_port=POSTGRES_PORT,
            kafka=broker.bootstrap_servers,
            events_topic=TOPIC,
        )
        embedded_postgres.start(settings)
        try:
            with psycopg.connect(settings.database_url, autocommit=True) as connection:
                create_schema(connection, moovitamix.LANDING_SCHEMA)
                names = [endpoint.name for endpoint in moovitamix.ENDPOINTS]
                create_crawls(connection, moovitamix.LANDING_SCHEMA, names)
                create_tables(connection)
            yield settings
        finally:
            embedded_postgres.stop(settings)


def _events(count: int) -> Iterator[tuple[str, int, int, str, float]]:
    for number in range(count):
        minute, second = divmod(number // 10_000, 60)
        moment = (
            f"2026-05-01T{minute // 60 % 24:02}:{minute % 60:02}:{second:02}.{number % 10_000:04}Z"
        )
        yield f"event-{number}", number % 100_000, number % 50_000, moment, 200.0


def _produce(settings: Settings, count: int) -> None:
    producer = Producer(
        {"bootstrap.servers": str(settings.kafka), "queue.buffering.max.messages": count + 1}
    )
    names = ("event_id", "user_id", "track_id", "played_at", "seconds_played")
    for event in _events(count):
        body = json.dumps(dict(zip(names, event, strict=True)))
        producer.produce(TOPIC, body, key=str(event[1]))
    producer.flush()


def _empty(settings: Settings) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("truncate raw_events.listens, raw_events.offsets")
        connection.execute("checkpoint")


def _count(settings: Settings, count: int) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": str(settings.kafka),
            "group.id": f"count-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([TOPIC])
    read = 0
    while read < count:
        read += len(consumer.consume(10_000, 1.0))
    consumer.close()


def _copy(settings: Settings, count: int) -> None:
    now = datetime.now(UTC)
    with psycopg.connect(settings.database_url) as connection, connection.cursor() as cursor:
        with cursor.copy(f"copy raw_events.listens ({COLUMNS}) from stdin") as copy:
            for number, event in enumerate(_events(count)):
                copy.write_row((*event, TOPIC, 0, number, now))
        connection.commit()


def _consume(settings: Settings, count: int) -> None:
    consumer = EventConsumer(settings, until_end=True)
    consumer.run(lambda _figures: None)
    consumer.close()
    if consumer.figures.landed != count:
        sys.exit(f"{consumer.figures.landed} events landed instead of {count}.")


if __name__ == "__main__":
    main()
