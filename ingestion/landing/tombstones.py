"""Who was forgotten stays so: keyed tombstones, which name nobody.

In: the tombstones in landing, and the key they were made with. Out: pages without the records of
those people, before anything of them reaches the disk.

A tombstone is the HMAC of a person's id. Ids can be tried one after another, so it says nothing
to those without the key, and is to be kept apart from the database: in a setting, or in a file of
its own. Tombstones that were made with another key would cover nobody, and so a load without the
right one is refused. Addresses have marks of the same kind, for records that do not fit and say no
id.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from ingestion.crawl.decoding import Page, RejectedRecord
from ingestion.endpoint import Endpoint
from ingestion.landing.addresses import find_addresses
from warehouse.database import table_exists
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
        marks: One for each person, and for each address that was theirs alone.
    """

    key: bytes
    marks: frozenset[str]

    def cover(self, person_id: int | str) -> bool:
        """Whether a person was forgotten.

        Args:
            person_id: The source's id.
        """
        return mark(self.key, person_id) in self.marks

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
            if not self.cover(getattr(record, endpoint.person))
        ]
        rejected = [record for record in page.rejected if not self.cover_rejected(record)]
        return replace(
            page.select(kept),
            rejected=rejected,
            forgotten=page.row_count - len(kept) - len(rejected),
        )

    def cover_rejected(self, record: RejectedRecord) -> bool:
        """Whether a record that does not fit is of a person who was forgotten.

        Args:
            record: By the id that can be read of it, else by the addresses in it.
        """
        if record.person_id is not None:
            return self.cover(record.person_id)
        # as it is written, too: marks of versions before 1.0.0 are of that
        return any(
            mark_address(self.key, address) in self.marks
            for start, end, compared in find_addresses(record.record)
            for address in (compared, record.record[start:end])
        )


def mark(key: bytes, person_id: int | str) -> str:
    """The tombstone of a person: 64 hexadecimal digits.

    Args:
        key: The key of the warehouse.
        person_id: The source's id.
    """
    return hmac.digest(key, f"person {person_id}".encode(), "sha256").hex()


def mark_address(key: bytes, address: str) -> str:
    """The mark of an address: 64 hexadecimal digits.

    Args:
        key: The key of the warehouse.
        address: An e-mail address of a person who was forgotten, and of nobody else, in the form
            that is compared (`ingestion.landing.addresses`).
    """
    return hmac.digest(key, f"address {address}".encode(errors="replace"), "sha256").hex()


def key_check(key: bytes) -> str:
    """Tells keys apart, and says nothing about them."""
    return hmac.digest(key, b"which key", "sha256").hex()[:_KEY_CHECK_LENGTH]


def create_erasures(connection: psycopg.Connection, schema: str) -> None:
    """Creates the table where it is missing.

    `sought` is what else finds the person (keys, addresses) until nothing of them is found: the
    rows that say it are gone by then.

    Args:
        connection: Connection that may create tables in the schema.
        schema: Landing schema.
    """
    connection.execute(
        sql.SQL(
            """
            create table if not exists {} (
                tombstone text primary key,
                address_marks text[] not null default '{{}}',
                sought jsonb,
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
        sql.SQL("select tombstone || address_marks, key_check from {}").format(
            sql.Identifier(schema, ERASURES)
        )
    ).fetchall()
    if not rows:
        return None
    key = read_key(settings)
    if key is None or any(check != key_check(key) for _, check in rows):
        which = "is not there" if key is None else "is another one"
        raise LandingError(
            f"{len(rows)} people were forgotten, and the key of their tombstones {which}: a load "
            "would bring them back, so nothing was landed. Set LISTENHOUSE_ERASURE_KEY_FILE to "
            f"the file with the key, or put it back as {settings.erasure_key_file}."
        )
    return Tombstones(key, frozenset(text for marks, _ in rows for text in marks))


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

    It is on the disk before anything is made with it: a key that a power cut took would leave
    tombstones that cover nobody.

    Raises:
        SettingsError: The file cannot be written.
    """
    key = secrets.token_hex(32).encode()
    file = settings.erasure_key_file
    # beside it, whole or not at all
    draft = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600), "wb"
        ) as stream:
            stream.write(key + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SettingsError(
            f"The key of erasures cannot be kept in {file} ({error.strerror}): correct the "
            "folder's rights, or name a file that has one with LISTENHOUSE_ERASURE_KEY_FILE."
        ) from error
    return key
