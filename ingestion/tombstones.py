"""Who was forgotten stays so: keyed tombstones, which name nobody.

In: the tombstones in landing, and the key they were made with. Out: pages without the records of
those people, before anything of them reaches the disk.

A tombstone is the HMAC of a person's id. Ids can be tried one after another, so it says nothing
to those without the key, and is to be kept apart from the database: in a setting, or in a file of
its own. Tombstones that were made with another key would cover nobody, and so a load without the
right one is refused.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ingestion.crawl_ledger import table_exists
from ingestion.decoding import Page
from ingestion.endpoint import Endpoint
from warehouse.errors import LandingError, SettingsError
from warehouse.settings import Settings

ERASURES = "erasures"
"""Table of tombstones, with what was erased when and by whom."""

_KEY_CHECK_LENGTH = 16


@dataclass(frozen=True)
class Tombstones:
    """Who was forgotten.

    Attributes:
        key: What the marks were made with.
        marks: One for each person.
    """

    key: bytes
    marks: frozenset[str]

    def drop(self, endpoint: Endpoint, page: Page) -> Page:
        """A page without what is of people who were forgotten.

        Args:
            endpoint: Whose page it is.
            page: The page as it was served.
        """
        if endpoint.person is None:
            return page
        kept = [
            position
            for position, record in enumerate(page.records)
            if not self._cover(getattr(record, endpoint.person))
        ]
        places = {position: place for place, position in enumerate(kept)}
        rejected = [record for record in page.rejected if not self._cover(record.person_id)]
        return Page(
            total=page.total,
            records=[page.records[position] for position in kept],
            undeclared={
                places[position]: fields
                for position, fields in page.undeclared.items()
                if position in places
            },
            rejected=rejected,
            forgotten=page.row_count - len(kept) - len(rejected),
        )

    def _cover(self, person_id: int | None) -> bool:
        return person_id is not None and mark(self.key, person_id) in self.marks


def mark(key: bytes, person_id: int) -> str:
    """The tombstone of a person: 64 hexadecimal digits.

    Args:
        key: The key of the warehouse.
        person_id: The source's id.
    """
    return hmac.digest(key, f"person {person_id}".encode(), "sha256").hex()


def key_check(key: bytes) -> str:
    """Tells keys apart, and says nothing about them."""
    return hmac.digest(key, b"which key", "sha256").hex()[:_KEY_CHECK_LENGTH]


def create_erasures(connection: psycopg.Connection, schema: str) -> None:
    """Creates the table where it is missing.

    Args:
        connection: Connection that may create tables in the schema.
        schema: Landing schema.
    """
    connection.execute(
        sql.SQL(
            """
            create table if not exists {} (
                tombstone text primary key,
                key_check text not null,
                erased_by text not null,
                begun_at timestamptz not null,
                completed_at timestamptz,
                counts jsonb not null default '{{}}'
            )
            """
        ).format(sql.Identifier(schema, ERASURES))
    )


def read_tombstones(
    connection: psycopg.Connection, settings: Settings, schema: str
) -> Tombstones | None:
    """Reads who was forgotten; None when nobody was.

    Args:
        connection: Connection to the warehouse.
        settings: Where the key is.
        schema: Landing schema.

    Raises:
        LandingError: The key is missing, or another one.
    """
    if not table_exists(connection, schema, ERASURES):
        return None
    rows = connection.execute(
        sql.SQL("select tombstone, key_check from {}").format(sql.Identifier(schema, ERASURES))
    ).fetchall()
    if not rows:
        return None
    key = read_key(settings)
    if key is None or any(check != key_check(key) for _, check in rows):
        which = "is not there" if key is None else "is another one"
        raise LandingError(
            f"{len(rows)} people were forgotten, and the key of their tombstones {which}: a crawl "
            "would bring them back, so nothing was crawled. Set LISTENHOUSE_ERASURE_KEY_FILE to "
            f"the file with the key, or put it back as {settings.erasure_key_file}."
        )
    return Tombstones(key, frozenset(tombstone for tombstone, _ in rows))


def read_key(settings: Settings) -> bytes | None:
    """The key: that of the settings, else the one in the file; None where there is none.

    Raises:
        SettingsError: The file cannot be read.
    """
    if settings.erasure_key:
        return settings.erasure_key.encode()
    try:
        return settings.erasure_key_file.read_bytes().strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            f"The key of erasures in {settings.erasure_key_file} cannot be read "
            f"({error.strerror}): correct its rights."
        ) from error


def make_key(settings: Settings) -> bytes:
    """Makes a key and keeps it in its file, which only this user can read.

    Raises:
        SettingsError: The file cannot be written.
    """
    key = secrets.token_hex(32).encode()
    try:
        settings.erasure_key_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            settings.erasure_key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(key + b"\n")
    except OSError as error:
        raise SettingsError(
            f"The key of erasures cannot be kept in {settings.erasure_key_file} "
            f"({error.strerror}): correct the folder's rights, or set LISTENHOUSE_ERASURE_KEY_FILE."
        ) from error
    return key
