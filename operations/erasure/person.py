"""Who is to be forgotten, and what finds them: the id, keys of their versions, addresses.

In: a source and an id. Out: what finds the person, and nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ingestion.landing.addresses import MAYBE_ADDRESS, address_of, addresses_in
from ingestion.landing.tombstones import ERASURES, mark, read_key
from ingestion.sources.catalogue import Source
from operations.erasure.personal_columns import by_table, personal_columns
from warehouse.database import table_exists
from warehouse.settings import Settings


@dataclass(frozen=True)
class Person:
    """What finds a person.

    Attributes:
        source: The source of the user id.
        id: The source's id.
        keys: Keys of their versions in dimensions.
        emails: Addresses that nobody else has, in the form that is compared.
    """

    source: Source
    id: str
    keys: tuple[str, ...]
    emails: tuple[str, ...]

    def is_named_in(self, text: str) -> bool:
        """Whether a text says an address of theirs."""
        return not addresses_in(text).isdisjoint(self.emails)

    @property
    def parameters(self) -> dict[str, object]:
        """What the condition `of_person` compares with."""
        return {"id": self.id, "keys": list(self.keys), "source": self.source.name}


def find_person(
    connection: psycopg.Connection, settings: Settings, source: Source, person_id: str
) -> Person:
    """Looks up what finds a person, and what was still sought when an erasure was cut short.

    Args:
        connection: Connection that reads everything.
        settings: Where the key of the tombstones is.
        source: The source of the user id.
        person_id: The source's id.
    """
    keys: set[str] = set()
    for places in by_table(personal_columns(connection, source)).values():
        first = places[0]
        if first.table == "dim_users" and first.has_source and len(places) > 1:
            rows = connection.execute(
                sql.SQL(
                    "select user_key::text from {} where user_id = %s and source_name = %s"
                ).format(sql.Identifier(first.schema, first.table)),
                (person_id, source.name),
            )
            keys |= {key for (key,) in rows}
    emails: set[str] = set()
    if source.personal_endpoints and table_exists(connection, source.schema, "users"):
        emails = _own_addresses(connection, source, person_id)
    key = read_key(settings)
    if key is not None and table_exists(connection, source.schema, ERASURES):
        row = connection.execute(
            sql.SQL("select sought from {} where tombstone = %s").format(
                sql.Identifier(source.schema, ERASURES)
            ),
            (mark(key, person_id),),
        ).fetchone()
        sought = (row[0] if row else None) or {"keys": [], "emails": []}
        keys |= set(sought["keys"])
        emails |= addresses_in(" ".join(sought["emails"]))
    return Person(source, person_id, tuple(sorted(keys)), tuple(sorted(emails)))


def _own_addresses(connection: psycopg.Connection, source: Source, person_id: str) -> set[str]:
    """The addresses of a person that nobody else has."""
    said = sql.SQL("select {} from {} where id::text {} %s and email ~ %s")
    column, users = sql.Identifier("email"), sql.Identifier(source.schema, "users")
    own: set[str] = set()
    for (email,) in connection.execute(
        said.format(column, users, sql.SQL("=")), (person_id, MAYBE_ADDRESS)
    ):
        own |= address_of(email)
    others = said.format(column, users, sql.SQL("<>"))
    # compared here: the database folds letters by its own locale
    with connection.transaction(), connection.cursor("emails") as cursor:
        for (email,) in cursor.execute(others, (person_id, MAYBE_ADDRESS)) if own else ():
            own -= addresses_in(email)
    for _, owner, record in _quarantined(connection, source):
        if owner not in (None, person_id):
            own -= addresses_in(record)
    return own


def rejected_of(connection: psycopg.Connection, person: Person) -> list[str]:
    """The hashes of rejected records that are of a person, or of nobody and say their address."""
    found = []
    for record_hash, owner, record in _quarantined(connection, person.source):
        if owner == person.id or (owner is None and person.is_named_in(record)):
            found.append(record_hash)
    return found


def _quarantined(
    connection: psycopg.Connection, source: Source
) -> Iterator[tuple[str, str | None, str]]:
    """Hash, owner as far as one can tell, and text of each rejected record that is of a person."""
    if not table_exists(connection, source.schema, "rejected_records"):
        return
    personal = {endpoint.name for endpoint in source.personal_endpoints}
    for record_hash, name, record in connection.execute(
        sql.SQL("select record_hash, endpoint, record from {}").format(
            sql.Identifier(source.schema, "rejected_records")
        )
    ):
        # a track is of nobody, whatever it says; what is imported is all somebody's
        if name in personal or not source.is_crawled:
            yield record_hash, source.owner_of_rejected(name, record), record
