"""A person and the lake: its tables are made anew without them, and what was before goes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from operations.erasure.errors import ErasureError
from operations.erasure.person import Person
from operations.lakehouse import publish_to_lake, require_lake
from warehouse.database import table_exists
from warehouse.errors import LakeError
from warehouse.settings import Settings


def has_lake(connection: psycopg.Connection, settings: Settings) -> bool:
    """Whether there is a lake, which people can be in.

    Args:
        connection: Connection to the warehouse.
        settings: Where the lake is.

    Raises:
        ErasureError: There is one that cannot be reached.
    """
    if not table_exists(connection, "lake", "iceberg_tables"):
        return False
    try:
        require_lake(settings)
    except LakeError as error:
        raise ErasureError(
            "Nothing was changed: schema lake says that there is a lake, in which the user can be. "
            f"{error}"
        ) from error
    return True


def erase_from_lake(settings: Settings, lock: psycopg.Connection) -> None:
    """Makes all tables of the lake anew, and lets go every publication before.

    Args:
        settings: Where the lake is.
        lock: Connection that holds the run's lock; PostgreSQL has nothing of the person any more.

    Raises:
        LakeError: A table cannot be written, or an old file not deleted.
    """
    publish_to_lake(settings, lock, whole=True)


def find_in_lake(settings: Settings, person: Person) -> Iterator[str]:
    """Names the files of the lake in which something of a person is.

    Args:
        settings: Where the lake is.
        person: Whom to look for.
    """
    from lake.traces import Sought, find_in_files  # noqa: PLC0415 (comes with an extra)

    sought = Sought(person.source.name, person.id, person.keys, person.is_named_in)
    yield from find_in_files(settings, sought)
