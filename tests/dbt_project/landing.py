"""A landing schema that tests fill crawl by crawl.

In: whole days of the source, as the API would serve them. Out: the tables of
`raw_moovitamix` as the load leaves them, every version of every record with one boundary per
crawl.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from warehouse.ops.tables import create_tables

Row = Mapping[str, Any]

COLUMNS = {
    "users": {
        "id": "bigint",
        "first_name": "text",
        "last_name": "text",
        "email": "text",
        "gender": "text",
        "favorite_genres": "text",
        "created_at": "timestamp",
        "updated_at": "timestamp",
    },
    "tracks": {
        "id": "bigint",
        "name": "text",
        "artist": "text",
        "songwriters": "text",
        "duration": "text",
        "genres": "text",
        "album": "text",
        "created_at": "timestamp",
        "updated_at": "timestamp",
    },
    "listen_history": {
        "user_id": "bigint",
        "items": "json",
        "created_at": "timestamp",
        "updated_at": "timestamp",
    },
}
KEYS = {"users": ("id",), "tracks": ("id",), "listen_history": ("user_id", "created_at")}
COUNTS = ("reported", "landed", "duplicates", "rejected", "carried", "forgotten")
FIRST_BOUNDARY = datetime(2026, 6, 1, 3, tzinfo=UTC)


def boundary(day: float) -> datetime:
    """The boundary of the crawl of a day, counted from 1."""
    return FIRST_BOUNDARY + timedelta(days=day - 1)


def user(number: int, **changed: Any) -> Row:
    """A user record as the API serves it."""
    return {
        "id": number,
        "first_name": f"First{number}",
        "last_name": f"Last{number}",
        "email": f"user{number}@example.org",
        "gender": "Female",
        "favorite_genres": "Jazz",
        "created_at": datetime(2026, 2, 1),
        "updated_at": datetime(2026, 1, 1),
        **changed,
    }


def track(number: int, **changed: Any) -> Row:
    """A track record as the API serves it."""
    return {
        "id": number,
        "name": f"Track {number}",
        "artist": f"Artist {number % 3}",
        "songwriters": "Somebody",
        "duration": "03:20",
        "genres": "rock",
        "album": f"Album {number % 2}",
        "created_at": datetime(2026, 2, 1),
        "updated_at": datetime(2026, 1, 1),
        **changed,
    }


def history(
    user_id: int | None,
    items: list[int] | None,
    created_at: datetime = datetime(2026, 3, 1),
    updated_at: datetime | None = datetime(2026, 5, 1),
) -> Row:
    """A history record as the API serves it."""
    return {
        "user_id": user_id,
        "items": None if items is None else json.dumps(items),
        "created_at": created_at,
        "updated_at": updated_at,
    }


@dataclass(frozen=True)
class Day:
    """What the source holds on a day."""

    users: tuple[Row, ...] = ()
    tracks: tuple[Row, ...] = ()
    listen_history: tuple[Row, ...] = ()

    def having(self, endpoint: str, *records: Row) -> Day:
        """The day with these records, in place of those with the same keys."""
        keys = {_key(endpoint, record) for record in records}
        kept = [record for record in getattr(self, endpoint) if _key(endpoint, record) not in keys]
        return replace(self, **{endpoint: (*kept, *records)})

    def without(self, endpoint: str, *keys: tuple[Any, ...]) -> Day:
        """The day without the records of these keys."""
        kept = [record for record in getattr(self, endpoint) if _key(endpoint, record) not in keys]
        return replace(self, **{endpoint: tuple(kept)})


@dataclass
class Landing:
    """The landing schema of one database.

    Attributes:
        connection: An autocommitting connection.
        committed: Boundaries of the committed crawls.
    """

    connection: psycopg.Connection
    committed: list[datetime] = field(default_factory=list)

    def create(self) -> None:
        """Creates the empty tables, those of schema `ops` included."""
        create_tables(self.connection)
        execute = self.connection.execute
        execute("create schema raw_moovitamix")
        for table, columns in COLUMNS.items():
            fields = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            execute(
                f"create table raw_moovitamix.{table} ({fields}, row_hash text not null,"
                " _dlt_valid_from timestamptz not null, _dlt_valid_to timestamptz)"
            )
        figures = ", ".join(
            ", ".join(f"{table}_{count} bigint not null" for count in COUNTS) for table in COLUMNS
        )
        execute(
            "create table raw_moovitamix.crawls (crawl_id text not null, load_id text not null,"
            " boundary_at timestamptz not null unique, started_at timestamptz,"
            f" committed_at timestamptz, code_version text, {figures})"
        )
        execute(
            "create table raw_moovitamix.rejected_records (record_hash text primary key,"
            " endpoint text, record text, reason text, first_seen_at timestamptz,"
            " last_seen_at timestamptz, resolved_at timestamptz)"
        )

    def crawl(self, at: datetime, day: Day) -> None:
        """Merges and commits a crawl."""
        self.merge(at, day)
        self.commit(at, day)

    def merge(self, at: datetime, day: Day) -> None:
        """Merges a crawl; invisible until it is committed."""
        for table in COLUMNS:
            self._merge_table(table, at, getattr(day, table))

    def commit(self, at: datetime, day: Day) -> None:
        """Commits a merged crawl."""
        row: dict[str, Any] = {
            "crawl_id": f"crawl-{at.isoformat()}",
            "load_id": "1",
            "boundary_at": at,
            "started_at": at,
            "committed_at": datetime.now(UTC),
            "code_version": "test",
        }
        for table in COLUMNS:
            landed = len(getattr(day, table))
            row |= {
                f"{table}_reported": landed,
                f"{table}_landed": landed,
                f"{table}_duplicates": 0,
            }
            row |= {f"{table}_rejected": 0, f"{table}_carried": 0, f"{table}_forgotten": 0}
        self._insert("crawls", row)
        self.committed.append(at)

    def _merge_table(self, table: str, at: datetime, records: Iterable[Row]) -> None:
        hashed = {_hash(record): record for record in records}
        self.connection.execute(
            sql.SQL(
                "update {} set _dlt_valid_to = %s"
                " where _dlt_valid_to is null and row_hash <> all(%s)"
            ).format(sql.Identifier("raw_moovitamix", table)),
            (at, list(hashed)),
        )
        open_hashes = {
            row[0]
            for row in self.connection.execute(
                sql.SQL("select row_hash from {} where _dlt_valid_to is null").format(
                    sql.Identifier("raw_moovitamix", table)
                )
            )
        }
        for row_hash, record in hashed.items():
            if row_hash not in open_hashes:
                self._insert(table, {**record, "row_hash": row_hash, "_dlt_valid_from": at})

    def _insert(self, table: str, row: Row) -> None:
        self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier("raw_moovitamix", table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            list(row.values()),
        )


def _key(endpoint: str, record: Row) -> tuple[Any, ...]:
    return tuple(record[name] for name in KEYS[endpoint])


def _hash(record: Row) -> str:
    return hashlib.sha256(repr(sorted(record.items())).encode()).hexdigest()
