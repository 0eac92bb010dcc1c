"""Consumes a topic of events: batches of messages, landed one after another.

In: settings. Out: rows of `raw_events`, exactly once, until the end of the topic or a signal. Where
to go on reading stands in `raw_events.offsets`; the offsets that are committed to Kafka are for
tools that show lag. Messages are read no faster than they are landed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ingestion.sources.events.landing import (
    Figures,
    Message,
    SupersededError,
    create_tables,
    land_batch,
    move_offset,
    read_offsets,
)
from warehouse import kafka
from warehouse.database import connect
from warehouse.errors import DatabaseError, KafkaError, SettingsError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka import KafkaError as Code

_logger = get_logger(__name__)

APPLICATION = "listenhouse consume"

_BATCH_MESSAGES = 10_000
_BATCH_SECONDS = 1.0

_FIRST_ANSWER_SECONDS = 10
"""How long brokers may take to answer at the start; later, a broker that is away is waited for."""

_SESSION_MILLISECONDS = 10_000
"""After how long the partitions of a consumer that died go to others."""

_QUEUE_KILOBYTES = 32_768
"""What the client reads ahead, at most."""

_DATABASE_PATIENCE_SECONDS = 240
"""How long a database may be away: less than the five minutes after which Kafka gives others the
partitions of a consumer that does not poll."""


def _log_error(error: Code) -> None:
    # what the client mends by itself: a broker that is away is tried again
    _logger.warning("kafka", cause=error.str())


class EventConsumer:
    """Lands a topic: all of it up to its end, or its share as a member of the consumer group.

    Attributes:
        figures: What became of the messages so far.

    Raises:
        DatabaseError: PostgreSQL cannot be reached.
        KafkaError: Kafka cannot be reached, or has no such topic.
        LandingError: Nothing was ever loaded.
        SettingsError: No broker is named, the client is not installed, or refuses a property.
    """

    def __init__(
        self, settings: Settings, *, until_end: bool = False, accept_gap: bool = False
    ) -> None:
        config = kafka.client_config(
            settings,
            enable_auto_commit=False,
            enable_partition_eof=True,
            # never skip: what is gone is said (`_start`)
            auto_offset_reset="error",
            isolation_level="read_committed",
            session_timeout_ms=_SESSION_MILLISECONDS,
            queued_max_messages_kbytes=_QUEUE_KILOBYTES,
        )
        config.setdefault("group.id", "listenhouse")
        self.figures = Figures()
        self._settings = settings
        self._until_end = until_end
        self._accept_gap = accept_gap
        self._topic = settings.events_topic
        # of the partitions that this consumer has: the next offset, as of the database
        self._positions: dict[int, int] = {}
        self._ended: set[int] = set()
        self._connection = self._connect()
        create_tables(self._connection)
        self._consumer = self._open(config)

    def run(self, on_batch: Callable[[Figures], None]) -> None:
        """Lands messages until the end of the topic, or for ever.

        Args:
            on_batch: Told of each batch that is landed.

        Raises:
            DatabaseError: PostgreSQL was away for too long.
            KafkaError: Kafka refuses, or messages were deleted before they were landed.
        """
        while True:
            messages = self._read()
            if messages:
                self._land(messages, on_batch)
            elif self._until_end and self._ended >= set(self._positions):
                return

    def close(self) -> None:
        """Leaves the group, so that others get the partitions at once."""
        self._consumer.close()
        self._connection.close()

    def _connect(self) -> psycopg.Connection:
        return connect(self._settings, APPLICATION)

    def _open(self, config: dict[str, str | int | float | bool]) -> Consumer:
        from confluent_kafka import Consumer, KafkaException  # noqa: PLC0415

        try:
            consumer = Consumer({**config, "error_cb": _log_error})
        except KafkaException as error:
            raise SettingsError(kafka.explain(self._settings, error.args[0])) from error
        try:
            found = consumer.list_topics(self._topic, _FIRST_ANSWER_SECONDS).topics[self._topic]
            if found.error:
                raise KafkaError(
                    f"There is no topic {self._topic} at {self._settings.kafka}: produce an event "
                    "first, create the topic, or name another one with LISTENHOUSE_EVENTS_TOPIC."
                )
        except KafkaException as error:
            raise KafkaError(kafka.explain(self._settings, error.args[0])) from error
        if self._until_end:
            # all partitions, also those of a member that died and is not missed yet
            self._assign(consumer, self._partitions(dict.fromkeys(found.partitions, 0)))
        else:
            consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke)
        return consumer

    def _read(self) -> list[Message]:
        """The next messages; none where there are none, or the partitions changed hands."""
        from confluent_kafka import KafkaError as Code  # noqa: PLC0415

        messages = []
        for message in self._consumer.consume(_BATCH_MESSAGES, _BATCH_SECONDS):
            error = message.error()
            # None: an error of no partition
            partition, offset = message.partition() or 0, message.offset() or 0
            if error is None:
                messages.append(Message(partition, offset, message.value()))
                self._ended.discard(partition)
            elif error.code() == Code._PARTITION_EOF:
                self._ended.add(partition)
            else:
                raise KafkaError(kafka.explain(self._settings, error))
        # of partitions that went to another consumer while these were read
        return [message for message in messages if message.partition in self._positions]

    def _land(self, messages: list[Message], on_batch: Callable[[Figures], None]) -> None:
        for attempt in Retrying(
            retry=retry_if_exception_type((psycopg.OperationalError, DatabaseError)),
            wait=wait_exponential(max=15),
            stop=stop_after_delay(_DATABASE_PATIENCE_SECONDS),
            before_sleep=lambda state: _logger.warning(
                "database away", attempt=state.attempt_number
            ),
            reraise=True,
        ):
            with attempt:
                if self._connection.closed:
                    self._connection = self._connect()
                try:
                    figures, reached = land_batch(
                        self._connection, self._settings, self._topic, messages, self._positions
                    )
                except SupersededError as error:
                    # by another consumer, or by this one before the database went away
                    _logger.warning("batch superseded", partition=str(error))
                    self._seek()
                    return
        self._positions |= reached
        self.figures += figures
        self._commit()
        on_batch(figures)

    def _commit(self) -> None:
        """Tells Kafka where this group is, for tools that show lag; nothing here reads it."""
        from confluent_kafka import KafkaException  # noqa: PLC0415

        try:
            self._consumer.commit(offsets=self._partitions(self._positions), asynchronous=True)
        except KafkaException as error:
            _logger.info("offsets not committed to Kafka", cause=str(error))

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        self._positions = read_offsets(self._connection, self._topic, numbers)
        self._ended = set()
        for number in numbers:
            self._positions[number] = self._start(consumer, number)
        consumer.assign(self._partitions(self._positions))
        _logger.info("partitions assigned", topic=self._topic, partitions=numbers)

    def _revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._positions.pop(partition.partition, None)

    def _start(self, consumer: Consumer, number: int) -> int:
        """Where to read a partition from: where landing ended, if Kafka still has what follows."""
        from confluent_kafka import TopicPartition  # noqa: PLC0415

        begun = self._positions[number]
        first, _ = consumer.get_watermark_offsets(TopicPartition(self._topic, number))
        if first <= begun:
            return begun
        if begun > 0 and not self._accept_gap:
            raise KafkaError(
                f"Partition {number} of {self._topic} was landed up to offset {begun}, and Kafka "
                f"has what follows from {first} on: {first - begun} messages were deleted before "
                "they were landed. Nothing more is landed. Produce them again from where they came "
                "from, or give them up with `listenhouse consume --accept-gap`."
            )
        move_offset(self._connection, self._topic, number, begun, first)
        return first

    def _seek(self) -> None:
        """Goes back to where the database is."""
        self._positions = read_offsets(self._connection, self._topic, list(self._positions))
        for partition in self._partitions(self._positions):
            self._consumer.seek(partition)

    def _partitions(self, positions: Mapping[int, int]) -> list[TopicPartition]:
        from confluent_kafka import TopicPartition  # noqa: PLC0415

        return [TopicPartition(self._topic, number, offset) for number, offset in positions.items()]
