"""What a topic holds: the keys whose last committed message is no tombstone.

In: a topic. Out: a set of keys, as large as what the topic holds.
"""

from __future__ import annotations

import time

from warehouse import kafka
from warehouse.settings import Settings

_PATIENCE_SECONDS = 30
_WAIT_SECONDS = 0.2
_MESSAGES_AT_A_TIME = 10_000


def read_live_keys(settings: Settings, topic: str) -> set[str]:
    """Reads a topic from its beginning to its end.

    Args:
        settings: Which brokers.
        topic: The topic.

    Returns:
        The keys.

    Raises:
        confluent_kafka.KafkaException: The brokers are away, or refuse.
        SettingsError: No broker is named, or the client refuses a property.
    """
    from confluent_kafka import (  # noqa: PLC0415 (comes with an extra)
        OFFSET_BEGINNING,
        Consumer,
        KafkaError,
        KafkaException,
        TopicPartition,
    )

    config = kafka.client_config(
        settings,
        enable_auto_commit=False,
        enable_partition_eof=True,
        isolation_level="read_committed",
    )
    # the client asks for one; nothing is committed in it
    config.setdefault("group.id", "listenhouse-feed")
    consumer = Consumer(config)
    keys: set[str] = set()
    try:
        partitions = consumer.list_topics(topic, _PATIENCE_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        unread = set(partitions)
        answered_at = time.monotonic()
        while unread:
            # it waits as long, unless there are as many
            messages = consumer.consume(_MESSAGES_AT_A_TIME, _WAIT_SECONDS)
            if messages:
                answered_at = time.monotonic()
            elif time.monotonic() - answered_at > _PATIENCE_SECONDS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            for message in messages:
                error = message.error()
                if error is None:
                    key = (message.key() or b"").decode()
                    if message.value() is None:
                        keys.discard(key)
                    else:
                        keys.add(key)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return keys
