"""The change feed through kills: a crawl comes whole, perhaps twice, and none is missing."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from operations.change_feed import feed_tables
from tests.commands import run_command, start_command
from tests.dbt_project.landing import Day, Landing, boundary, track, user
from tests.streams.feed_reader import all_consumed, expected, read_messages
from tools.kafka_broker import Broker, why_unavailable
from warehouse.settings import Settings

SEED = 7
CRAWLS = 14
USERS = 3_000
POINTS = ("begin", "produce", "commit", "move")
RANDOM_KILLS = 16
# from before the client is loaded to after a whole publication
LONGEST_LIFE_SECONDS = 2.5


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if lacking := why_unavailable():
        pytest.skip(lacking)
    with Broker(tmp_path / "kafka") as broker:
        yield broker


@pytest.mark.rare
def test_consumers_see_whole_crawls_through_kills_of_the_feed_and_of_the_broker(
    tmp_path: Path,
    settings: Settings,
    connection: psycopg.Connection,
    broker: Broker,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(SEED)  # noqa: S311 (no secret)
    landing = Landing(connection)
    landing.create()
    feeding = settings.but(kafka=broker.bootstrap_servers)
    environment = {
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_DATABASE_URL": settings.database_url,
        "LISTENHOUSE_KAFKA": broker.bootstrap_servers,
    }
    numbers = iter(range(1, CRAWLS + 1))

    def crawl() -> None:
        """Each crawl changes a third of the users, takes some, and brings others."""
        number = next(numbers)
        kept = [one for one in range(USERS) if (one + number) % 7]
        users = tuple(user(one, gender=f"{number}" if one % 3 == 0 else "f") for one in kept)
        landing.crawl(boundary(number), Day(users, (track(1), track(number + 1)), ()))

    crawl()
    created = run_command("listenhouse", "feed", "publish", environment=environment)
    assert created.returncode == 0, created.stderr
    killed: Counter[str] = Counter()
    for point in POINTS:
        crawl()
        outcome = run_command(
            "python", "-m", "tests.streams.killed_feed", point, environment=environment
        )
        assert outcome.returncode < 0, outcome.stdout + outcome.stderr
        killed[point] += 1
        _see_whole_crawls(feeding, connection)
    for number in range(RANDOM_KILLS):
        if number % 2 == 0:
            crawl()
        process = start_command(
            "listenhouse", "feed", "publish", environment=environment, folder=tmp_path
        )
        time.sleep(chance.uniform(0.2, LONGEST_LIFE_SECONDS))
        if process.is_alive():
            process.kill()
            killed["at random"] += 1
        process.join()
        _see_whole_crawls(feeding, connection)
    # the broker is killed while a crawl is published, and comes back
    crawl()
    process = start_command(
        "listenhouse", "feed", "publish", environment=environment, folder=tmp_path
    )
    time.sleep(3)
    broker.kill()
    killed["broker"] += 1
    broker.start()
    process.join(120)
    _see_whole_crawls(feeding, connection)

    done = run_command("listenhouse", "feed", "publish", environment=environment)
    assert done.returncode == 0, done.stderr
    repeated = _see_whole_crawls(feeding, connection)
    assert all_consumed(feeding) == expected(feeding, connection)
    record_property("kills", dict(killed))
    record_property("crawls", len(landing.committed))
    record_property("crawls that came more than once", repeated)


def _see_whole_crawls(settings: Settings, connection: psycopg.Connection) -> int:
    """Each crawl is there as a whole, some number of times; returns how many came repeatedly."""
    times: dict[str, set[int]] = {}
    for table in feed_tables(settings):
        seen = Counter(message_id for _, message_id, _ in read_messages(settings, table.topic))
        query = sql.SQL(
            """
            select crawl_id, count(distinct ({keys}))
            from {table} as records
            inner join {crawls} as crawls
                on crawls.boundary_at in (records._dlt_valid_from, records._dlt_valid_to)
            group by crawl_id
            """
        ).format(
            keys=sql.SQL(", ").join(map(sql.Identifier, table.key)),
            table=sql.Identifier(table.schema, table.name),
            crawls=sql.Identifier(table.schema, "crawls"),
        )
        for crawl_id, key_count in connection.execute(query):
            counts = [n for one, n in seen.items() if one.startswith(f"{crawl_id}/")]
            assert len(counts) in (0, key_count), (table.topic, crawl_id, len(counts), key_count)
            times.setdefault(crawl_id, set()).update(counts or [0])
    # in all tables alike, and for each key
    assert all(len(counts) == 1 for counts in times.values()), times
    return sum(max(counts) > 1 for counts in times.values())
