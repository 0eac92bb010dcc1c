"""The change feed: whole crawls, each change by its key, and nothing lost by a kill."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import Any

import jsonschema
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from operations.change_feed import feed_tables, print_status, publish_feed, run_replay
from tests.commands import run_command
from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.recommendations import recommend
from tools.kafka_broker import Broker
from warehouse.errors import KafkaError, SettingsError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.xdist_group("kafka")

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((PROJECT_ROOT / "docs/feed.schema.json").read_text())
)
USERS, TRACKS, HISTORY, LISTS = (
    f"listenhouse.moovitamix.{table}"
    for table in ("users", "tracks", "listen_history", "recommendations")
)
FIRST = Day((user(1), user(2)), (track(1), track(2)), (history(1, [1, 2]),))
SECOND = Day((user(1, gender="Male"),), (track(1), track(2)), (history(1, [1, 2, 1]),))


@pytest.fixture
def landing(connection: psycopg.Connection) -> Landing:
    landing = Landing(connection)
    landing.create()
    landing.crawl(boundary(1), FIRST)
    return landing


@pytest.fixture
def feeding(settings: Settings, broker: Broker, landing: Landing) -> Settings:
    """Settings of a warehouse with one crawl, and of a broker without its topics."""
    assert landing
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    there = [name for name in admin.list_topics().topics if name.startswith("listenhouse.")]
    for deleted in (admin.delete_topics(there) if there else {}).values():
        deleted.result()
    return settings.but(kafka=broker.bootstrap_servers, feed=True)


def publish(settings: Settings) -> list[tuple[str, int, int]]:
    with hold_run_lock(settings) as lock:
        published = publish_feed(settings, lock)
    return [(one.name, one.message_count, one.tombstone_count) for one in published]


def read(settings: Settings, topic: str) -> list[tuple[str, str, Any]]:
    """The committed messages of a topic: key, id, value."""
    consumer = Consumer(
        {
            "bootstrap.servers": str(settings.kafka),
            "group.id": "reading",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    messages, ended = [], 0
    while ended < len(partitions):
        for message in consumer.consume(1000, 0.2):
            if message.error():
                ended += 1
                continue
            value = message.value()
            decoded = json.loads(value) if value is not None else None
            if decoded is not None:
                SCHEMA.validate(decoded)
            headers = dict(message.headers() or ())
            messages.append((_text(message.key()), _text(headers["ce_id"]), decoded))
    consumer.close()
    return messages


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def state(settings: Settings, topic: str) -> Mapping[str, Any]:
    """What is under each key in the end, as a compacted topic has it."""
    last = {key: value for key, _, value in read(settings, topic)}
    return {key: value["data"] for key, value in last.items() if value is not None}


def test_each_crawl_is_published_once_by_key_without_personal_data(
    feeding: Settings, landing: Landing, connection: psycopg.Connection
) -> None:
    assert publish(feeding) == [("moovitamix", 5, 0)]
    assert publish(feeding) == []
    landing.crawl(boundary(2), SECOND)
    recommend(connection, boundary(2).date(), boundary(2), {"1": ["2"], "2": ["1"]}, {})
    assert publish(feeding) == [("moovitamix", 3, 1), ("moovitamix recommendations", 2, 0)]

    assert state(feeding, USERS) == {
        "1": {
            "id": 1,
            "gender": "Male",
            "favorite_genres": "Jazz",
            "created_at": "2026-02-01T00:00:00",
            "updated_at": "2026-01-01T00:00:00",
        }
    }
    key = json.dumps([1, "2026-03-01T00:00:00"], separators=(",", ":"))
    assert state(feeding, HISTORY)[key]["items"] == [1, 2, 1]
    assert set(state(feeding, TRACKS)) == {"1", "2"}
    assert state(feeding, LISTS)["1"]["tracks"][0] == {
        "rank": 1,
        "track_id": "2",
        "score": 1,
        "source": "model",
    }
    ids = [message_id for _, message_id, _ in read(feeding, USERS)]
    assert len(ids) == len(set(ids)) == 4
    # of a day later, one user has no list any more
    recommend(connection, boundary(3).date(), boundary(3), {"1": ["2"]}, {})
    assert publish(feeding) == [("moovitamix recommendations", 2, 1)]
    assert set(state(feeding, LISTS)) == {"1"}


def test_a_replay_has_the_same_messages(
    feeding: Settings, landing: Landing, connection: psycopg.Connection
) -> None:
    landing.crawl(boundary(2), SECOND)
    publish(feeding)
    ids = [message_id for _, message_id, _ in read(feeding, USERS)]
    run_replay(feeding, None)
    assert sorted(message_id for _, message_id, _ in read(feeding, USERS)) == sorted(2 * ids)
    ((second,),) = connection.execute(
        "select crawl_id from raw_moovitamix.crawls order by boundary_at desc limit 1"
    ).fetchall()
    run_replay(feeding, second)
    assert len(read(feeding, USERS)) == 2 * len(ids) + 2
    with pytest.raises(SettingsError, match="There is no crawl of-yesterday"):
        run_replay(feeding, "of-yesterday")


def test_a_topic_can_be_one_for_personal_data(feeding: Settings) -> None:
    publish(feeding.but(feed_personal=(USERS,)))
    assert state(feeding, USERS)["2"]["email"] == "user2@example.org"
    with pytest.raises(SettingsError, match="names users, which is no topic of landing"):
        feed_tables(feeding.but(feed_personal=("users",)))


def test_a_kill_lets_a_crawl_come_twice_and_never_half(
    feeding: Settings,
    landing: Landing,
    connection: psycopg.Connection,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.publisher._PATIENCE_SECONDS", 3)
    expected = {f"{number}" for number in range(300)}
    many = Day(tuple(user(int(number)) for number in sorted(expected)), FIRST.tracks, ())
    landing.crawl(boundary(2), many)
    environment = {
        "LISTENHOUSE_HOME": str(feeding.home),
        "LISTENHOUSE_DATABASE_URL": feeding.database_url,
        "LISTENHOUSE_KAFKA": str(feeding.kafka),
    }
    for point in ("begin", "produce", "commit", "move"):
        command = ("python", "-m", "tests.streams.killed_feed", point)
        killed = run_command(*command, environment=environment)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        seen = [key for key, _, _ in read(feeding, USERS)]
        # each crawl is there as a whole, any number of times
        assert {seen.count(key) for key in expected - {"1", "2"}} in ({0}, {1}, {2})
        assert len(seen) in (0, 2, 4, 300, 302, 304, 600, 602)
    assert state(feeding, USERS).keys() <= expected
    publish(feeding)
    assert state(feeding, USERS).keys() == expected
    ((waiting,),) = connection.execute("select count(*) from ops.feed_cursors").fetchall()
    assert waiting == 1
    broker.kill()
    landing.crawl(boundary(3), SECOND)
    with pytest.raises(KafkaError, match=r"The feed is late: .+ Nothing is lost"):
        publish(feeding)
    broker.start()
    publish(feeding)
    assert state(feeding, USERS).keys() == {"1"}


def test_the_status_says_what_waits(
    feeding: Settings, landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    print_status(feeding)
    assert "nothing" in capsys.readouterr().out
    publish(feeding)
    landing.crawl(boundary(2), SECOND)
    print_status(feeding)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "2026-06-01" in line]
    assert line.split() == ["moovitamix", "2026-06-01", "03:00:00", "UTC", "1"]
