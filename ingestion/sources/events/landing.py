"""Lands events exactly once: rows, quarantine and offsets in one transaction.

In: messages of a topic, in the order of each partition. Out: rows of `raw_events`. A batch is
either landed with its offsets, or not at all; then its messages come again.

Events are shown by the next crawl that is committed, as an import is: a boundary of their own would
show what a crawl that is under way has merged until then. A batch keeps crawls from being
committed while it lands. So a crawl that is later than an event never lacks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import psycopg
from psycopg import sql

from ingestion.crawl.decoding import RejectedRecord, decode_record
from ingestion.endpoint import Record
from ingestion.landing.crawl_ledger import next_boundary
from ingestion.landing.quarantine import create_rejected_records, record_rejections
from ingestion.landing.tombstones import (
    ERASURES,
    Tombstones,
    create_erasures,
    read_tombstones,
)
from ingestion.sources import moovitamix
from ingestion.sources.events import LANDING_SCHEMA, LISTENS
from ingestion.sources.events.records import ListenEvent
from warehouse.database import create_schema, table_exists
from warehouse.errors import LandingError
from warehouse.settings import Settings

_CRAWLED = tuple(endpoint.name for endpoint in moovitamix.ENDPOINTS)

_STATEMENTS = (
    """
    create table if not exists raw_events.listens (
        event_id text primary key,
        user_id bigint not null,
        track_id bigint not null,
        played_at timestamptz not null,
        seconds_played double precision not null,
        context text,
        details json,
        topic text not null,
        partition_number integer not null,
        message_offset bigint not null,
        landed_at timestamptz not null
    )
    """,
    "create index if not exists listens_landed_at on raw_events.listens (landed_at)",
    "create index if not exists listens_user_id on raw_events.listens (user_id)",
    # as stg_events__listens casts them: int_events_plays looks up what tells the same play
    """
    create index if not exists listens_play on raw_events.listens (
        (user_id::text), (track_id::text), (played_at at time zone 'UTC')
    )
    """,
    """
    create table if not exists raw_events.offsets (
        topic text not null,
        partition_number integer not null,
        next_offset bigint not null default 0,
        message_count bigint not null default 0,
        landed_count bigint not null default 0,
        duplicate_count bigint not null default 0,
        rejected_count bigint not null default 0,
        forgotten_count bigint not null default 0,
        updated_at timestamptz not null default now(),
        primary key (topic, partition_number),
        check (message_count = landed_count + duplicate_count + rejected_count + forgotten_count)
    )
    """,
)


class Message(NamedTuple):
    """A message of the topic; its value is None where it is a tombstone."""

    partition: int
    offset: int
    value: bytes | None


class SupersededError(Exception):
    """Another consumer has a partition now: what this one read of it is not its own to land."""


@dataclass(frozen=True)
class Figures:
    """What became of messages; messages = landed + duplicates + rejected + forgotten.

    Attributes:
        messages: Messages read.
        landed: New events.
        duplicates: Events whose id is landed already.
        rejected: Messages that are no events, in quarantine.
        forgotten: Events of people who were forgotten, dropped.
    """

    messages: int = 0
    landed: int = 0
    duplicates: int = 0
    rejected: int = 0
    forgotten: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.messages + other.messages,
            self.landed + other.landed,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            self.forgotten + other.forgotten,
        )


class _Row(msgspec.Struct):
    event_id: str
    user_id: int
    track_id: int
    played_at: datetime
    seconds_played: float
    context: str | None
    details: dict[str, object] | None
    partition_number: int
    message_offset: int


def create_tables(connection: psycopg.Connection) -> None:
    """Creates the landing tables where they are missing.

    Args:
        connection: Connection that may create schemas.

    Raises:
        LandingError: Nothing was ever loaded, so there is no crawl that could show events.
    """
    if not table_exists(connection, moovitamix.LANDING_SCHEMA, "crawls"):
        raise LandingError(
            "Events are shown by the crawl that follows them, and there is none yet: run "
            "`listenhouse run` once, then `listenhouse consume`."
        )
    with connection.transaction():
        create_schema(connection, LANDING_SCHEMA)
        create_erasures(connection, LANDING_SCHEMA)
        create_rejected_records(connection, LANDING_SCHEMA)
        for statement in _STATEMENTS:
            connection.execute(statement)


def read_offsets(
    connection: psycopg.Connection, topic: str, partitions: Sequence[int]
) -> dict[int, int]:
    """The next offset to land of each partition, 0 where none ever was.

    Args:
        connection: Connection to the warehouse.
        topic: Where events are produced.
        partitions: Numbers of its partitions.
    """
    with connection.transaction():
        connection.execute(
            """
            insert into raw_events.offsets (topic, partition_number)
            select %s, unnest(%s::int[])
            on conflict do nothing
            """,
            (topic, list(partitions)),
        )
        rows = connection.execute(
            """
            select partition_number, next_offset from raw_events.offsets
            where topic = %s and partition_number = any(%s)
            """,
            (topic, list(partitions)),
        )
        return dict(rows.fetchall())


def move_offset(
    connection: psycopg.Connection, topic: str, number: int, begun: int, first: int
) -> None:
    """Moves the offset of a partition past messages that Kafka no longer has.

    Args:
        connection: Connection to the warehouse.
        topic: Where events are produced.
        number: The partition.
        begun: Where landing ended.
        first: The first offset that Kafka has.

    Raises:
        SupersededError: Another consumer moved it meanwhile.
    """
    _advance(connection, (topic, number), (begun, first), Figures())


def land_batch(
    connection: psycopg.Connection,
    settings: Settings,
    topic: str,
    messages: Sequence[Message],
    positions: Mapping[int, int],
) -> tuple[Figures, dict[int, int]]:
    """Lands messages in one transaction.

    Args:
        connection: Connection in autocommit mode, its time zone UTC.
        settings: Where the key of the tombstones is.
        topic: Where the messages are from.
        messages: In the order of each partition, without gaps.
        positions: The next offset of each partition when reading began, as of the database.

    Returns:
        What became of the messages, and the next offset of each of their partitions.

    Raises:
        ClockError: A clock is ahead; nothing was landed.
        LandingError: The key of the tombstones is missing; nothing was landed.
        SupersededError: Another consumer landed of these partitions meanwhile; nothing was landed.
    """
    with connection.transaction():
        # a crawl that is committed waits for this batch, and an erasure does
        connection.execute(
            sql.SQL("lock table {}, {} in share mode").format(
                sql.Identifier(moovitamix.LANDING_SCHEMA, "crawls"),
                sql.Identifier(LANDING_SCHEMA, ERASURES),
            )
        )
        tombstones = read_tombstones(connection, settings, LANDING_SCHEMA)
        landed_at = next_boundary(
            connection, moovitamix.LANDING_SCHEMA, _CRAWLED, datetime.now(UTC)
        )
        rows, rejected, figures = _decode(messages, tombstones)
        landed = _insert(connection, topic, rows, landed_at)
        record_rejections(
            connection, LANDING_SCHEMA, {LISTENS.name: rejected}, landed_at, is_whole=False
        )
        by_partition = {
            number: replace(
                found,
                landed=landed[number],
                duplicates=found.messages - found.rejected - found.forgotten - landed[number],
            )
            for number, found in figures.items()
        }
        reached = {message.partition: message.offset + 1 for message in messages}
        for number, found in by_partition.items():
            _advance(connection, (topic, number), (positions[number], reached[number]), found)
    return sum(by_partition.values(), Figures()), reached


def _decode(
    messages: Sequence[Message], tombstones: Tombstones | None
) -> tuple[list[_Row], list[RejectedRecord], dict[int, Figures]]:
    """Events as rows, what is none, and how many of each partition were dropped."""
    rows, rejected, found = [], [], dict[int, Counter[str]]()
    for message in messages:
        counts = found.setdefault(message.partition, Counter(messages=0))
        counts["messages"] += 1
        decoded = decode_record(LISTENS, message.value or b"")
        if isinstance(decoded, RejectedRecord):
            if tombstones is not None and tombstones.cover_rejected(decoded):
                counts["forgotten"] += 1
            else:
                counts["rejected"] += 1
                rejected.append(decoded)
            continue
        row = _row(*decoded, message)
        if tombstones is not None and tombstones.cover(row.user_id):
            counts["forgotten"] += 1
        else:
            rows.append(row)
    figures = {number: Figures(**counts) for number, counts in found.items()}
    return rows, rejected, figures


def _row(event: Record, details: dict[str, object], message: Message) -> _Row:
    if not isinstance(event, ListenEvent):
        raise TypeError(f"{event!r} is no listening event")
    return _Row(
        event.event_id,
        event.user_id,
        event.track_id,
        event.played_at,
        event.seconds_played,
        event.context,
        details or None,
        message.partition,
        message.offset,
    )


def _insert(
    connection: psycopg.Connection, topic: str, rows: Sequence[_Row], landed_at: datetime
) -> Counter[int]:
    """Inserts the events that are new, and counts them by partition."""
    counts = connection.execute(
        """
        with landed as (
            insert into raw_events.listens (
                event_id, user_id, track_id, played_at, seconds_played, context, details,
                topic, partition_number, message_offset, landed_at
            )
            select
                event_id, user_id, track_id, played_at, seconds_played, context, details,
                %s, partition_number, message_offset, %s
            from json_to_recordset(%s::json) as events (
                event_id text,
                user_id bigint,
                track_id bigint,
                played_at timestamptz,
                seconds_played double precision,
                context text,
                details json,
                partition_number integer,
                message_offset bigint
            )
            on conflict do nothing
            returning partition_number
        )
        select partition_number, count(*) from landed group by partition_number
        """,
        (topic, landed_at, msgspec.json.encode(rows).decode()),
    )
    return Counter(dict(counts.fetchall()))


def _advance(
    connection: psycopg.Connection,
    partition: tuple[str, int],
    offsets: tuple[int, int],
    found: Figures,
) -> None:
    """Moves the offset of a partition, if it is where this consumer left it."""
    moved = connection.execute(
        """
        update raw_events.offsets set
            next_offset = %s,
            message_count = message_count + %s,
            landed_count = landed_count + %s,
            duplicate_count = duplicate_count + %s,
            rejected_count = rejected_count + %s,
            forgotten_count = forgotten_count + %s,
            updated_at = clock_timestamp()
        where topic = %s and partition_number = %s and next_offset = %s
        """,
        (
            offsets[1],
            found.messages,
            found.landed,
            found.duplicates,
            found.rejected,
            found.forgotten,
            *partition,
            offsets[0],
        ),
    )
    if moved.rowcount == 0:
        raise SupersededError(f"partition {partition[1]} of {partition[0]}")
