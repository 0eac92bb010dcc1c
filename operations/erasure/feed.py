"""A person and the change feed: a tombstone follows each message that is about them."""

from __future__ import annotations

import psycopg

from operations.change_feed import restate_feed
from operations.erasure.errors import ErasureError
from warehouse import kafka
from warehouse.database import table_exists
from warehouse.errors import SettingsError
from warehouse.settings import Settings


def has_feed(connection: psycopg.Connection, settings: Settings) -> bool:
    """Whether anything was ever published, which people can be in.

    Args:
        connection: Connection to the warehouse.
        settings: Where the brokers are.

    Raises:
        ErasureError: Something was, and the brokers are not known here.
    """
    if not table_exists(connection, "ops", "feed_cursors"):
        return False
    row = connection.execute("select from ops.feed_cursors limit 1").fetchone()
    if row is None:
        return False
    try:
        kafka.client_config(settings)
    except SettingsError as error:
        raise ErasureError(
            "Nothing was changed: ops.feed_cursors says that there is a change feed, in which the "
            f"user can be. {error} Where its topics are deleted, delete the rows of "
            "ops.feed_cursors."
        ) from error
    return True


def erase_from_feed(settings: Settings, lock: psycopg.Connection) -> None:
    """Publishes a tombstone for each key of the person, as for all that landing does not have.

    Args:
        settings: Where the brokers are.
        lock: Connection that holds the run's lock; PostgreSQL has nothing of the person any more.

    Raises:
        KafkaError: The brokers are away, or refuse.
    """
    restate_feed(settings, lock)
