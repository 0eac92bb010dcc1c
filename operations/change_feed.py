"""The change feed as people and runs use it: publish, status, replay.

In: settings. Out: topics that show what is committed, and lines on the terminal.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql
from rich import box
from rich.console import Console
from rich.table import Table

from ingestion.sources.catalogue import SOURCES
from streams.changes import FeedTable
from streams.publisher import Feed, Published
from warehouse.daily_steps import FEED
from warehouse.database import connect, table_exists
from warehouse.errors import SettingsError
from warehouse.ops.run_record import RunRecord
from warehouse.ops.tables import create_tables
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def publish_feed(settings: Settings, lock: psycopg.Connection) -> list[Published]:
    """Publishes what is committed and not published.

    Args:
        settings: Which warehouse and brokers.
        lock: Connection that holds the run's lock.

    Raises:
        KafkaError: The brokers are away, or refuse; says what to do.
        SettingsError: There is no feed, or not the way it is set up.
    """
    return _feed(settings, lock).publish()


def restate_feed(settings: Settings, lock: psycopg.Connection) -> list[Published]:
    """Publishes what holds now, and tombstones for all else that is on the topics.

    Args:
        settings: Which warehouse and brokers.
        lock: Connection that holds the run's lock.

    Raises:
        KafkaError: The brokers are away, or refuse; says what to do.
        SettingsError: There is no feed, or not the way it is set up.
    """
    return _feed(settings, lock).restate()


def run_publish(settings: Settings) -> None:
    """Publishes as a run of its own, and says what was published.

    Args:
        settings: Which warehouse and brokers.

    Raises:
        ListenhouseError: It cannot be published; says what to do.
    """
    record = RunRecord(settings, "listenhouse feed publish")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        with record.step(FEED):
            published = publish_feed(settings, lock)
    print_published(published)


def print_published(published: list[Published]) -> None:
    """Prints what was published.

    Args:
        published: What `publish_feed` returned.
    """
    console = Console(highlight=False, markup=False)
    for one in published:
        console.print(
            f"Published {one.name} of {one.at:%F %T} UTC: {one.message_count:,} messages, "
            f"{one.tombstone_count:,} of them tombstones.",
            soft_wrap=True,
        )
    if not published:
        console.print("The feed has everything that is committed.")


def print_status(settings: Settings) -> None:
    """Prints where each stream is.

    Args:
        settings: Which warehouse.

    Raises:
        ListenhouseError: It cannot be reached.
    """
    with connect(settings, "listenhouse feed status") as connection:
        states = _feed(settings, connection).states()
    table = Table("stream", "published", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("waiting", justify="right")
    for state in states:
        published = f"{state.published_at:%F %T} UTC" if state.published_at else "nothing"
        table.add_row(state.name, published, f"{state.waiting_count:,}")
    Console(highlight=False, markup=False).print(table)


def run_replay(settings: Settings, since: str | None) -> None:
    """Publishes crawls again: from one on, or all of them.

    Args:
        settings: Which warehouse and brokers.
        since: The id of the first crawl; None for all, and for the newest lists as well.

    Raises:
        SettingsError: There is no such crawl.
        ListenhouseError: It cannot be published; says what to do.
    """
    record = RunRecord(settings, "listenhouse feed replay")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        feed = _feed(settings, lock)
        if since is None:
            for state in feed.states():
                feed.rewind(state.name, None)
        else:
            source, before = _find_crawl(lock, since)
            feed.rewind(source, before)
        record.begin()
        with record.step(FEED):
            published = feed.publish()
    print_published(published)


def _find_crawl(connection: psycopg.Connection, crawl_id: str) -> tuple[str, datetime | None]:
    """The source of a crawl, and the boundary of the crawl before it."""
    for source in SOURCES.values():
        if not (source.is_crawled and table_exists(connection, source.schema, "crawls")):
            continue
        query = sql.SQL(
            """
            select (
                select max(earlier.boundary_at) from {crawls} as earlier
                where earlier.boundary_at < crawls.boundary_at
            )
            from {crawls} as crawls
            where crawl_id = %s
            """
        ).format(crawls=sql.Identifier(source.schema, "crawls"))
        row = connection.execute(query, (crawl_id,)).fetchone()
        if row is not None:
            return source.name, row[0]
    raise SettingsError(
        f"There is no crawl {crawl_id}: their ids are the column crawl_id of raw_moovitamix.crawls."
    )


def _feed(settings: Settings, connection: psycopg.Connection) -> Feed:
    create_tables(connection)
    return Feed(settings, connection, feed_tables(settings))


def feed_tables(settings: Settings) -> list[FeedTable]:
    """What is published of landing: without personal columns, but for topics that may have them.

    Args:
        settings: Which those are.

    Raises:
        SettingsError: A topic is named that there is not.
    """
    tables = [
        FeedTable(
            source=source.name,
            schema=source.schema,
            name=endpoint.name,
            key=endpoint.key,
            columns=tuple(endpoint.arrow_types),
        )
        for source in SOURCES.values()
        if source.is_crawled
        for endpoint in source.endpoints
    ]
    topics = {table.topic for table in tables}
    if unknown := set(settings.feed_personal) - topics:
        raise SettingsError(
            f"LISTENHOUSE_FEED_PERSONAL names {', '.join(sorted(unknown))}, which is no topic of "
            f"landing: they are {', '.join(sorted(topics))}."
        )
    impersonal = {
        (source.name, endpoint.name): endpoint.impersonal_columns
        for source in SOURCES.values()
        for endpoint in source.endpoints
    }
    return [
        table
        if table.topic in settings.feed_personal
        else FeedTable(
            table.source,
            table.schema,
            table.name,
            table.key,
            tuple(one for one in table.columns if one in impersonal[table.source, table.name]),
        )
        for table in tables
    ]
