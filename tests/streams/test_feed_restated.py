"""Where landing goes back, the feed follows: consumers have what landing has."""

from __future__ import annotations

import psycopg
import pytest

from ingestion.landing.withdrawal import plan_withdrawal, withdraw
from operations.change_feed import publish_feed
from tests.commands import run_command
from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.recommendations import recommend
from tests.streams.feed_reader import (
    all_consumed,
    consumed,
    delete_topics,
    expected,
    read_messages,
)
from tools.kafka_broker import Broker
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

pytestmark = pytest.mark.xdist_group("kafka")

ENDPOINTS = ("users", "tracks", "listen_history")
FIRST = Day((user(1), user(2)), (track(1), track(2)), (history(1, [1, 2]), history(2, [2])))
# user 2 and a track go, user 3 comes, a history changes
SECOND = Day((user(1), user(3)), (track(1),), (history(1, [1, 2, 1]),))
LISTS = "listenhouse.moovitamix.recommendations"


@pytest.fixture
def landing(connection: psycopg.Connection) -> Landing:
    landing = Landing(connection)
    landing.create()
    landing.crawl(boundary(1), FIRST)
    return landing


@pytest.fixture
def feeding(settings: Settings, broker: Broker, landing: Landing) -> Settings:
    assert landing
    delete_topics(broker.bootstrap_servers)
    return settings.but(kafka=broker.bootstrap_servers, feed=True)


def publish(settings: Settings) -> list[str]:
    with hold_run_lock(settings) as lock:
        return [one.name for one in publish_feed(settings, lock)]


def take_back(settings: Settings, crawl_id: str | None = None) -> None:
    with hold_run_lock(settings) as lock:
        plan = plan_withdrawal(lock, "raw_moovitamix", ENDPOINTS, crawl_id)
        withdraw(lock, "raw_moovitamix", ENDPOINTS, plan, "a test")


def test_a_withdrawn_crawl_is_taken_back_from_consumers(
    feeding: Settings, landing: Landing, connection: psycopg.Connection
) -> None:
    publish(feeding)
    landing.crawl(boundary(2), SECOND)
    publish(feeding)
    assert all_consumed(feeding) == expected(feeding, connection)

    take_back(feeding)
    assert publish(feeding) == ["moovitamix"]
    assert set(all_consumed(feeding)["listenhouse.moovitamix.users"]) == {"1", "2"}
    assert all_consumed(feeding) == expected(feeding, connection)
    assert publish(feeding) == []


def test_a_withdrawn_crawl_is_taken_back_with_the_crawl_that_follows_it(
    feeding: Settings, landing: Landing, connection: psycopg.Connection
) -> None:
    landing.crawl(boundary(2), SECOND)
    publish(feeding)
    take_back(feeding)
    # as before the withdrawn crawl: no version begins or ends
    landing.crawl(boundary(3), FIRST)
    publish(feeding)
    assert all_consumed(feeding) == expected(feeding, connection)


def test_without_any_crawl_left_there_is_nothing_on_the_topics(
    feeding: Settings, landing: Landing, connection: psycopg.Connection
) -> None:
    publish(feeding)
    take_back(feeding)
    publish(feeding)
    assert not any(all_consumed(feeding).values())
    landing.crawl(boundary(3), SECOND)
    publish(feeding)
    assert all_consumed(feeding) == expected(feeding, connection)


def test_whoever_is_forgotten_gets_tombstones(
    feeding: Settings, connection: psycopg.Connection
) -> None:
    recommend(connection, boundary(1).date(), boundary(1), {"1": ["2"], "2": ["1"]}, {})
    publish(feeding)
    before = all_consumed(feeding)
    assert "2" in before["listenhouse.moovitamix.users"]
    environment = {
        "LISTENHOUSE_HOME": str(feeding.home),
        "LISTENHOUSE_DATABASE_URL": feeding.database_url,
        "LISTENHOUSE_ERASURE_KEY": "k" * 32,
    }
    forget = ("listenhouse", "forget", "2", "--yes")
    # not half: neither here nor there
    refused = run_command(*forget, environment=environment)
    assert refused.returncode != 0
    assert "Nothing was changed: ops.feed_cursors says" in refused.stderr
    assert expected(feeding, connection) == before
    done = run_command(*forget, environment=environment | {"LISTENHOUSE_KAFKA": str(feeding.kafka)})
    assert done.returncode == 0, done.stderr
    assert "2" not in expected(feeding, connection)["listenhouse.moovitamix.users"]
    assert all_consumed(feeding) == expected(feeding, connection)
    assert set(consumed(read_messages(feeding, LISTS))) == {"1"}
    # nothing of them comes after the tombstone
    ((_, _, last),) = [m for m in read_messages(feeding, LISTS) if m[0] == "2"][-1:]
    assert last is None


def test_lists_made_again_for_a_day_are_not_taken_for_those_before(
    feeding: Settings, connection: psycopg.Connection
) -> None:
    day = boundary(1).date()
    recommend(connection, day, boundary(1), {"1": ["2"]}, {})
    publish(feeding)
    recommend(connection, day, boundary(1), {"1": ["1"]}, {}, generated_at=boundary(1.5))
    publish(feeding)
    (served,) = consumed(read_messages(feeding, LISTS))["1"]["tracks"]
    assert served["track_id"] == "1"


def test_what_a_crawl_merged_that_died_comes_with_the_crawl_after_it(
    feeding: Settings, landing: Landing, connection: psycopg.Connection
) -> None:
    publish(feeding)
    # of the day after: what it merged is not merged again
    landing.merge(boundary(2), SECOND)
    assert publish(feeding) == []
    landing.crawl(boundary(3), SECOND.having("tracks", track(3)))
    publish(feeding)
    assert all_consumed(feeding) == expected(feeding, connection)
    assert set(all_consumed(feeding)["listenhouse.moovitamix.users"]) == {"1", "3"}
