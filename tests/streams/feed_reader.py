"""What a consumer of the feed has, and what landing says that it should have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import sql
from psycopg.rows import dict_row

from operations.change_feed import feed_tables
from streams.changes import FeedTable
from warehouse.settings import Settings

Message = tuple[str, str, Any]
"""Key, id and value; None for a tombstone."""

State = dict[str, dict[str, Any]]
"""Records by key."""


def delete_topics(servers: str) -> None:
    """Leaves a broker without topics of the feed."""
    admin = AdminClient({"bootstrap.servers": servers})
    there = [name for name in admin.list_topics().topics if name.startswith("listenhouse.")]
    for deleted in (admin.delete_topics(there) if there else {}).values():
        deleted.result()


def read_messages(settings: Settings, topic: str) -> list[Message]:
    """The committed messages of a topic, each partition in its order."""
    consumer = Consumer(
        {
            "bootstrap.servers": str(settings.kafka),
            "group.id": "reading",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
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
            message_id = dict(message.headers() or ())["ce_id"]
            messages.append(
                (
                    (message.key() or b"").decode(),
                    message_id.decode() if isinstance(message_id, bytes) else str(message_id),
                    None if value is None else json.loads(value),
                )
            )
    consumer.close()
    return messages


def consumed(messages: Sequence[Message]) -> State:
    """What a consumer has that drops messages whose id it knows."""
    seen: set[str] = set()
    state: State = {}
    for key, message_id, value in messages:
        if message_id in seen:
            continue
        seen.add(message_id)
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value["data"]
    return state


def expected(settings: Settings, connection: psycopg.Connection) -> dict[str, State]:
    """By topic, what landing holds as of its last committed crawl."""
    return {table.topic: _held(connection, table) for table in feed_tables(settings)}


def all_consumed(settings: Settings) -> dict[str, State]:
    """By topic, what a consumer has."""
    return {
        table.topic: consumed(read_messages(settings, table.topic))
        for table in feed_tables(settings)
    }


def _held(connection: psycopg.Connection, table: FeedTable) -> State:
    # as JSON by PostgreSQL: nothing of the feed's own arithmetic
    query = sql.SQL(
        """
        select {keys} as keys, to_jsonb(records) as record
        from (
            select {columns} from {table}
            where
                _dlt_valid_from <= (select max(boundary_at) from {crawls})
                and coalesce(_dlt_valid_to, 'infinity')
                > (select max(boundary_at) from {crawls})
        ) as records
        """
    ).format(
        keys=sql.SQL("jsonb_build_array({})").format(
            sql.SQL(", ").join(map(sql.Identifier, table.key))
        ),
        columns=sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        table=sql.Identifier(table.schema, table.name),
        crawls=sql.Identifier(table.schema, "crawls"),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query).fetchall()
    return {
        str(row["keys"][0])
        if len(row["keys"]) == 1
        else json.dumps(row["keys"], separators=(",", ":")): row["record"]
        for row in rows
    }
