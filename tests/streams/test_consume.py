"""Listening events from a topic, each landed exactly once."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from ingestion.sources.events.consumer import EventConsumer
from ingestion.sources.events.landing import (
    Figures,
    Message,
    SupersededError,
    create_tables,
    land_batch,
    read_offsets,
)
from operations.erasure.forget_command import run_forget
from tests.commands import run_command, start_command
from tests.streams.conftest import event, produce
from tools.kafka_broker import Broker
from warehouse.errors import KafkaError, LandingError, SettingsError
from warehouse.settings import Settings

pytestmark = pytest.mark.xdist_group("kafka")

LISTENS = "select event_id, user_id, track_id, played_at::text, seconds_played, context, details"
COUNTS = (
    "select sum(message_count)::int, sum(landed_count)::int, sum(duplicate_count)::int,"
    " sum(rejected_count)::int, sum(forgotten_count)::int from raw_events.offsets"
)


def consume(settings: Settings, *, accept_gap: bool = False) -> Figures:
    """Consumes to the end of the topic."""
    consumer = EventConsumer(settings, until_end=True, accept_gap=accept_gap)
    try:
        consumer.run(lambda _figures: None)
    finally:
        consumer.close()
    return consumer.figures


def test_every_message_is_an_event_a_duplicate_or_in_quarantine(
    streaming: Settings, connection: psycopg.Connection
) -> None:
    produce(
        streaming,
        [
            event(1, context="search"),
            event(2, played_at="2026-05-02T03:00:00+02:00", seconds_played=31.5),
            event(3, played_at="2026-05-02 03:00:00", device="phone", places=10**30),
            event(1, track_id=9),
            event(4, user_id="one"),
            event(5, seconds_played=-1),
            event(6, event_id=""),
            event(7, context="a\0b"),
            b'{"event_id": "e8", "user_id": 1',
            b"\xff\xfe",
            b"",
            None,
        ],
    )
    assert consume(streaming) == Figures(messages=12, landed=3, duplicates=1, rejected=8)
    assert connection.execute(f"{LISTENS} from raw_events.listens order by 1").fetchall() == [
        ("e1", 2, 2, "2026-05-02 00:00:01+00", 200, "search", None),
        ("e2", 3, 3, "2026-05-02 01:00:00+00", 31.5, None, None),
        ("e3", 1, 4, "2026-05-02 03:00:00+00", 200, None, {"device": "phone", "places": 10**30}),
    ]
    rejected = connection.execute("select reason, record from raw_events.rejected_records")
    assert set(rejected.fetchall()) >= {
        ("Expected `int`, got `str` - at `$.user_id`", json.dumps(event(4, user_id="one"))),
        (
            "Expected `float` >= 0.0 - at `$.seconds_played`",
            json.dumps(event(5, seconds_played=-1)),
        ),
        ("The record is no JSON: Expecting value", ""),
    }
    # again is nothing more
    produce(streaming, [event(2), event(9)])
    assert consume(streaming) == Figures(messages=2, landed=1, duplicates=1)
    assert connection.execute(COUNTS).fetchone() == (14, 4, 2, 8, 0)


def test_who_was_forgotten_stays_so(streaming: Settings, connection: psycopg.Connection) -> None:
    unread = event(4, track_id=None)
    produce(streaming, [event(1), event(2), event(3), unread])
    assert consume(streaming) == Figures(messages=4, landed=3, rejected=1)
    assert run_forget(streaming, "events", "2", agreed=True)
    assert connection.execute("select user_id from raw_events.listens order by 1").fetchall() == [
        (1,),
        (3,),
    ]
    assert connection.execute("table raw_events.rejected_records").fetchall() == []

    produce(streaming, [event(7), event(8), unread])
    assert consume(streaming) == Figures(messages=3, landed=1, forgotten=2)
    assert connection.execute("table raw_events.rejected_records").fetchall() == []
    streaming.erasure_key_file.unlink()
    produce(streaming, [event(3)])
    with pytest.raises(LandingError, match="the key of their tombstones is not there"):
        consume(streaming)


def test_a_crawl_that_is_later_than_an_event_does_not_lack_it(
    streaming: Settings, connection: psycopg.Connection
) -> None:
    create_tables(connection)
    topic = streaming.events_topic
    positions = read_offsets(connection, topic, [0])
    first, second = (json.dumps(event(number)).encode() for number in (1, 2))
    committing = "insert into raw_moovitamix.crawls select * from raw_moovitamix.crawls limit 0"
    with (
        ThreadPoolExecutor() as pool,
        psycopg.connect(streaming.database_url) as erasing,
        psycopg.connect(streaming.database_url, autocommit=True) as crawl,
    ):
        erasing.execute("lock table raw_events.erasures in row exclusive mode")
        landing = pool.submit(
            land_batch, connection, streaming, topic, [Message(0, 0, first)], positions
        )
        # the batch has begun, as it waits for the erasure
        while not crawl.execute("select from pg_locks where not granted").fetchall():
            assert not landing.done()
        crawl.execute("set lock_timeout = 200")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            crawl.execute(committing)
        erasing.rollback()
        assert landing.result() == (Figures(messages=1, landed=1), {0: 1})
        crawl.execute(committing)
    assert connection.execute(
        "select landed_at > (select max(boundary_at) from raw_moovitamix.crawls)"
        " from raw_events.listens"
    ).fetchone() == (True,)
    # who lost the partition meanwhile lands nothing
    with pytest.raises(SupersededError):
        land_batch(connection, streaming, topic, [Message(0, 0, second)], positions)
    assert connection.execute("select count(*) from raw_events.listens").fetchone() == (1,)


def test_what_kafka_deleted_before_it_was_landed_is_said(
    streaming: Settings, connection: psycopg.Connection, broker: Broker
) -> None:
    produce(streaming, [event(number, user_id=1) for number in range(10)])
    assert consume(streaming).landed == 10
    produce(streaming, [event(number, user_id=1) for number in range(10, 30)])
    ((partition, end),) = connection.execute(
        "select partition_number, next_offset from raw_events.offsets where next_offset > 0"
    ).fetchall()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    deleted = TopicPartition(streaming.events_topic, partition, end + 5)
    for done in admin.delete_records([deleted]).values():
        done.result()
    with pytest.raises(KafkaError, match="5 messages were deleted before they were landed"):
        consume(streaming)
    assert consume(streaming, accept_gap=True).landed == 15


def test_mistakes_are_said(
    streaming: Settings,
    tmp_path: Path,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingestion.sources.events.consumer._FIRST_ANSWER_SECONDS", 2)
    with pytest.raises(SettingsError, match="set LISTENHOUSE_KAFKA to its brokers"):
        consume(streaming.but(kafka=None))
    with pytest.raises(KafkaError, match="There is no topic nowhere at"):
        consume(streaming.but(events_topic="nowhere"))
    with pytest.raises(KafkaError, match="Check that the brokers run"):
        consume(streaming.but(kafka="127.0.0.1:9"))
    properties = tmp_path / "kafka.properties"
    with pytest.raises(SettingsError, match="cannot be read"):
        consume(streaming.but(kafka_config=properties))
    properties.write_text("# TLS\n\nsecurity.protocol\n")
    with pytest.raises(SettingsError, match=r"line 3 of .+ has no `=`"):
        consume(streaming.but(kafka_config=properties))
    properties.write_text("security.protocl=SSL\n")
    with pytest.raises(SettingsError, match=r'No such configuration property: "security\.protocl"'):
        consume(streaming.but(kafka_config=properties))
    connection.execute("drop schema raw_moovitamix cascade")
    with pytest.raises(LandingError, match="run `listenhouse run` once"):
        consume(streaming)


def environment(settings: Settings) -> dict[str, str]:
    """What a command needs for these settings."""
    return {
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_DATABASE_URL": settings.database_url,
        "LISTENHOUSE_KAFKA": str(settings.kafka),
        "LISTENHOUSE_EVENTS_TOPIC": settings.events_topic,
    }


def test_kills_lose_and_double_nothing(
    streaming: Settings, connection: psycopg.Connection, broker: Broker, tmp_path: Path
) -> None:
    chance = random.Random(1)  # noqa: S311 (no secret)
    values = [event(number) for number in range(30_000)]
    repeated = chance.sample(values, 500)
    producing = threading.Thread(target=produce, args=(streaming, [*values, *repeated]))
    producing.start()
    consumers = {}
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        # two at a time: each that comes or goes moves partitions
        consumers[number] = start_command(
            "listenhouse", "consume", environment=environment(streaming), folder=folder
        )
        time.sleep(chance.uniform(0.2, 2.5))
        if number:
            consumers.pop(chance.choice([*consumers])).kill()
        if number == 2:
            broker.kill()
            broker.start()
    for process in consumers.values():
        process.kill()
        process.join()
    producing.join()
    finished = run_command(
        "listenhouse", "consume", "--until-end", environment=environment(streaming)
    )
    assert finished.returncode == 0, finished.stderr
    assert connection.execute(COUNTS).fetchone() == (30_500, 30_000, 500, 0, 0)
    landed = connection.execute("select event_id from raw_events.listens").fetchall()
    assert Counter(landed) == Counter((str(value["event_id"]),) for value in values)
