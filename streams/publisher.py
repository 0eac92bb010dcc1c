"""Publishes changes in Kafka's transactions, and remembers in PostgreSQL what is published.

In: a warehouse and brokers. Out: messages of compacted topics; rows of `ops.feed_cursors`.

Landing is the log: a cursor says up to which crawl it is published, and is moved once the brokers
have committed the crawl's transaction. Killed in between, the crawl is published again, under the
same message ids. Who reads committed messages only never sees half a crawl.

Where landing went back, by a withdrawal or a restored backup, the crawl of the cursor is no longer
there, and what it changed is known to the topics alone. They are read, and restated: in one
transaction, all that holds, and a tombstone for each key that has nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import psycopg
from psycopg import sql

from streams.changes import Change, FeedTable, read_changes, read_current, read_lists
from streams.live_keys import read_live_keys
from warehouse import kafka
from warehouse.database import table_exists
from warehouse.errors import KafkaError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import KafkaException, Producer

_logger = get_logger(__name__)

_PATIENCE_SECONDS = 30
"""How long brokers may take to answer before they count as away."""

_TRANSACTION_MILLISECONDS = 900_000
"""Longest transaction: as long as brokers allow unless they are told otherwise."""

_LISTS = "recommendations"


@dataclass(frozen=True)
class FeedState:
    """Where a stream is.

    Attributes:
        name: A source, or `recommendations` of one.
        published_at: The crawl or lists that are published, by their time; None before the first.
        waiting_count: Crawls, or generations of lists, that are not published.
    """

    name: str
    published_at: datetime | None
    waiting_count: int


@dataclass(frozen=True)
class Published:
    """A transaction of the feed.

    Attributes:
        name: As `FeedState.name`.
        at: The time of the crawl or lists, UTC.
        message_count: Messages.
        tombstone_count: Those among them that say that a key is gone.
    """

    name: str
    at: datetime
    message_count: int
    tombstone_count: int


class Feed:
    """The change feed of a warehouse.

    Args:
        settings: Which brokers.
        connection: Connection that holds the run's lock, in autocommit mode.
        tables: What is published of landing.
    """

    def __init__(
        self, settings: Settings, connection: psycopg.Connection, tables: Sequence[FeedTable]
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._tables = tables

    def states(self) -> list[FeedState]:
        """Where each stream is."""
        return [
            FeedState(name, self._cursor(name), len(self._waiting(name)))
            for name in self._streams()
        ]

    def rewind(self, name: str, before: datetime | None) -> None:
        """Lets what follows a crawl be published again.

        Args:
            name: The stream.
            before: The crawl that is published last then; None for none.
        """
        self._connection.execute("delete from ops.feed_cursors where stream = %s", (name,))
        if before is not None:
            self._move(self._connection, name, before)

    def publish(self) -> list[Published]:
        """Publishes what is committed and not published, crawl by crawl.

        Returns:
            What was published, in order.

        Raises:
            KafkaError: The brokers are away, or refuse; what was published before stays.
            SettingsError: No broker is named, the client is not installed, or refuses a property.
        """
        from confluent_kafka import KafkaException  # noqa: PLC0415

        producer = self._open()
        done = []
        try:
            for name in self._streams():
                if self._is_stranded(name):
                    done.append(self._restate(producer, name))
                for at, crawl_id in self._waiting(name):
                    done.append(self._publish_one(producer, name, at, crawl_id))
        except KafkaException as error:
            raise self._late(error) from error
        return done

    def restate(self) -> list[Published]:
        """Publishes what holds now of every stream that was ever published, and nothing else.

        Returns:
            What was published, in order.

        Raises:
            KafkaError: The brokers are away, or refuse.
            SettingsError: No broker is named, the client is not installed, or refuses a property.
        """
        from confluent_kafka import KafkaException  # noqa: PLC0415

        producer = self._open()
        try:
            return [
                self._restate(producer, name)
                for name in self._streams()
                if self._cursor(name) is not None
            ]
        except KafkaException as error:
            raise self._late(error) from error

    def _open(self) -> Producer:
        from confluent_kafka import KafkaException, Producer  # noqa: PLC0415

        config = kafka.client_config(
            self._settings,
            enable_idempotence=True,
            transaction_timeout_ms=_TRANSACTION_MILLISECONDS,
        )
        # one publisher at a time: a second one fences the first
        config.setdefault("transactional.id", "listenhouse-feed")
        try:
            producer = Producer(config)
            producer.init_transactions(_PATIENCE_SECONDS)
            self._create_topics()
        except KafkaException as error:
            raise self._late(error) from error
        return producer

    def _late(self, error: KafkaException) -> KafkaError:
        cause = kafka.explain(self._settings, error.args[0])
        return KafkaError(
            f"The feed is late: {cause} Nothing is lost: the next run goes on, or "
            "`listenhouse feed publish` does."
        )

    def _create_topics(self) -> None:
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415
        from confluent_kafka.cimpl import NewTopic  # noqa: PLC0415

        admin = AdminClient(kafka.client_config(self._settings))
        there = admin.list_topics(timeout=_PATIENCE_SECONDS).topics
        topics = [table.topic for table in self._tables]
        topics += [_lists_topic(source) for source in self._sources()]
        missing = [
            NewTopic(topic, -1, -1, config={"cleanup.policy": "compact"})
            for topic in topics
            if topic not in there
        ]
        if missing:
            for created in admin.create_topics(missing).values():
                created.result()

    def _is_stranded(self, name: str) -> bool:
        """Whether the cursor is at a crawl that landing does not have."""
        cursor = self._cursor(name)
        source, _, lists = name.partition(" ")
        # lists are only ever followed by others
        return cursor is not None and not lists and cursor not in self._boundaries(source)

    def _restate(self, producer: Producer, name: str) -> Published:
        """Publishes all that holds, and tombstones for what is on the topics beside it."""
        source, _, lists = name.partition(" ")
        if lists:
            at = next((at for at, _ in self._waiting(name)), self._cursor(name))
            topics = [_lists_topic(source)]
        else:
            at = max(self._boundaries(source), default=None)
            topics = [table.topic for table in self._tables if table.source == source]
        # before the transaction, whose messages would be among them
        live = {topic: read_live_keys(self._settings, topic) for topic in topics}
        now = datetime.now(UTC)

        def state() -> Iterator[tuple[str, Iterable[Change]]]:
            for topic, changes in self._holding(name, at):
                yield topic, _counted_off(changes, live[topic])
                yield topic, (Change(key, None) for key in sorted(live[topic]))

        # ids of its own: a consumer that drops what it has seen must not drop these
        return self._transact(producer, name, at, (f"restated-{now.isoformat()}", at or now), state)

    def _holding(self, name: str, at: datetime | None) -> Iterator[tuple[str, Iterable[Change]]]:
        """All that holds as of a crawl, by topic; nothing where there is no crawl."""
        source, _, lists = name.partition(" ")
        if lists:
            # those that are served; one without tracks any more is a tombstone
            changes = read_lists(self._connection, source, at, None) if at else ()
            yield _lists_topic(source), changes
            return
        for table in self._tables:
            if table.source == source:
                yield table.topic, read_current(self._connection, table, at) if at else ()

    def _publish_one(self, producer: Producer, name: str, at: datetime, crawl_id: str) -> Published:
        return self._transact(producer, name, at, (crawl_id, at), lambda: self._changes(name, at))

    def _transact(
        self,
        producer: Producer,
        name: str,
        at: datetime | None,
        crawl: tuple[str, datetime],
        changes_by_topic: Callable[[], Iterable[tuple[str, Iterable[Change]]]],
    ) -> Published:
        """Publishes changes in one transaction, and moves the cursor once it is committed."""
        from confluent_kafka import KafkaException  # noqa: PLC0415

        counts = {"message_count": 0, "tombstone_count": 0}
        producer.begin_transaction()
        try:
            # one state for all tables
            with self._connection.transaction():
                for topic, changes in changes_by_topic():
                    for change in changes:
                        _produce(producer, topic, change, crawl)
                        counts["message_count"] += 1
                        counts["tombstone_count"] += change.data is None
            producer.commit_transaction(_PATIENCE_SECONDS)
        except BaseException:
            # brokers that are away abort it by themselves, when its time is up
            with suppress(KafkaException):
                producer.abort_transaction(_PATIENCE_SECONDS)
            raise
        if at is None:
            # no crawl is left
            self.rewind(name, None)
        else:
            self._move(self._connection, name, at)
        _logger.info("published", stream=name, published_at=str(at), **counts)
        return Published(name, crawl[1].astimezone(UTC), **counts)

    def _changes(self, name: str, at: datetime) -> Iterable[tuple[str, Iterable[Change]]]:
        source, _, lists = name.partition(" ")
        if lists:
            changes = read_lists(self._connection, source, at, self._cursor(name))
            yield _lists_topic(source), changes
            return
        earlier = [boundary for boundary in self._boundaries(source) if boundary < at]
        previous_at = max(earlier, default=None)
        for table in self._tables:
            if table.source == source:
                changes = read_changes(self._connection, table, previous_at, at)
                yield table.topic, changes

    def _streams(self) -> list[str]:
        sources = self._sources()
        return [*sources, *(f"{source} {_LISTS}" for source in sources)]

    def _sources(self) -> list[str]:
        return list(dict.fromkeys(table.source for table in self._tables))

    def _waiting(self, name: str) -> list[tuple[datetime, str]]:
        """What is not published: its time and an id, the oldest first."""
        cursor = self._cursor(name)
        source, _, lists = name.partition(" ")
        if lists:
            if not table_exists(self._connection, "recommendations", "batches"):
                return []
            # of several generations the newest is what people get
            rows = self._connection.execute(
                """
                -- of a day there can be several, each with messages of its own
                select generated_at, for_date || ' ' || generated_at from recommendations.batches
                where source_name = %s and (%s::timestamptz is null or generated_at > %s)
                order by for_date desc, generated_at desc
                limit 1
                """,
                (source, cursor, cursor),
            )
            return rows.fetchall()
        schema = next(table.schema for table in self._tables if table.source == source)
        if not table_exists(self._connection, schema, "crawls"):
            return []
        crawls = sql.SQL(
            "select boundary_at, crawl_id from {}"
            " where %s::timestamptz is null or boundary_at > %s order by boundary_at"
        ).format(sql.Identifier(schema, "crawls"))
        return self._connection.execute(crawls, (cursor, cursor)).fetchall()

    def _boundaries(self, source: str) -> set[datetime]:
        """The boundaries of the committed crawls of a source."""
        schema = next(table.schema for table in self._tables if table.source == source)
        if not table_exists(self._connection, schema, "crawls"):
            return set()
        query = sql.SQL("select boundary_at from {}").format(sql.Identifier(schema, "crawls"))
        return {at for (at,) in self._connection.execute(query)}

    def _cursor(self, name: str) -> datetime | None:
        row = self._connection.execute(
            "select published_at from ops.feed_cursors where stream = %s", (name,)
        ).fetchone()
        return row[0] if row else None

    @staticmethod
    def _move(connection: psycopg.Connection, name: str, at: datetime) -> None:
        connection.execute(
            """
            insert into ops.feed_cursors (stream, published_at, moved_at)
            values (%s, %s, clock_timestamp())
            on conflict (stream) do update
            set published_at = excluded.published_at, moved_at = excluded.moved_at
            """,
            (name, at),
        )


def _lists_topic(source: str) -> str:
    return f"listenhouse.{source}.{_LISTS}"


def _counted_off(changes: Iterable[Change], keys: set[str]) -> Iterator[Change]:
    """The changes; takes their keys out of a set as they pass."""
    for change in changes:
        keys.discard(change.key)
        yield change


def _produce(producer: Producer, topic: str, change: Change, crawl: tuple[str, datetime]) -> None:
    """Produces a change as a CloudEvent; a tombstone has its id in a header only."""
    crawl_id, at = crawl
    kind = "deleted" if change.data is None else "changed"
    table = topic.rpartition(".")[2]
    message_id = f"{crawl_id}/{table}/{change.key}/{kind}"
    value = None
    if change.data is not None:
        value = msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": message_id,
                "source": topic,
                "type": f"listenhouse.{table}.{kind}",
                "subject": change.key,
                "time": at.astimezone(UTC),
                "datacontenttype": "application/json",
                "data": change.data,
            }
        )
    while True:
        try:
            producer.produce(topic, value, key=change.key, headers={"ce_id": message_id})
        except BufferError:
            producer.poll(1)
        else:
            producer.poll(0)
            return
