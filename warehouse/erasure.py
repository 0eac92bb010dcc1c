"""Forgets a person: every version, list, rejected record and dead row, and the files beside.

In: a person's id. Out: a warehouse in which nothing says that there was one, a keyed tombstone
that keeps the next crawl from bringing them back, and counts of what went.

One transaction puts the tombstone and takes the rows, in every table of every schema that has the
person's id or key; the figures of crawls are then what they would have been had the tombstone
stood from the first day. Whatever fails later (the build, a session that keeps dead rows, the
scan) leaves the erasure open, and to run it again completes it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ingestion import PIPELINE
from ingestion.crawl_ledger import create_crawls, table_exists
from ingestion.decoding import readable_person
from ingestion.moovitamix import ENDPOINTS, LANDING_SCHEMA
from ingestion.quarantine import create_rejected_records
from ingestion.tombstones import (
    ERASURES,
    create_erasures,
    key_check,
    make_key,
    mark,
    read_key,
    read_tombstones,
)
from warehouse.errors import ListenhouseError
from warehouse.settings import PROJECT_ROOT, Settings

SOURCE_NAME = "moovitamix"
"""The source whose people can be forgotten."""

_PEOPLE = tuple(endpoint for endpoint in ENDPOINTS if endpoint.person is not None)

_QUARANTINE = f"{LANDING_SCHEMA}.rejected_records"


class ErasureError(ListenhouseError):
    """A person cannot be forgotten, or something of them is left."""


@dataclass(frozen=True)
class Place:
    """A column that says whose row it is.

    Attributes:
        schema: Schema of the table.
        table: The table, or materialized view.
        column: The column.
        is_key: Whether it holds the hashed key of a version of a person, not the id.
        has_source: Whether the rows say which source they are of.
        is_table: Whether rows can be deleted from it.
    """

    schema: str
    table: str
    column: str
    is_key: bool
    has_source: bool
    is_table: bool

    @property
    def name(self) -> str:
        """Schema and table."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Person:
    """What finds a person; kept in memory, never written.

    Attributes:
        id: The source's id.
        keys: Keys of their versions in dimensions.
        emails: Addresses that nobody else has.
    """

    id: int
    keys: tuple[str, ...]
    emails: tuple[str, ...]


@dataclass(frozen=True)
class Erasure:
    """What forgetting a person did so far.

    Attributes:
        counts: Rows that went, by table; of earlier attempts as well.
        tables: Tables that rows of people are in, dead ones too, by oid.
        transaction: The transaction that took the rows.
    """

    counts: Mapping[str, int]
    tables: Mapping[int, str]
    transaction: str


def find_person(connection: psycopg.Connection, person_id: int) -> Person:
    """Looks up what finds a person.

    Args:
        connection: Connection that reads everything.
        person_id: The source's id.
    """
    keys: set[str] = set()
    for places in _by_table(_places(connection)).values():
        first = places[0]
        if first.table == "dim_users" and first.has_source and len(places) > 1:
            rows = connection.execute(
                sql.SQL(
                    "select user_key::text from {} where user_id = %s and source_name = %s"
                ).format(sql.Identifier(first.schema, first.table)),
                (str(person_id), SOURCE_NAME),
            )
            keys |= {key for (key,) in rows}
    emails: tuple[str, ...] = ()
    if table_exists(connection, LANDING_SCHEMA, "users"):
        emails = tuple(
            email
            for (email,) in connection.execute(
                sql.SQL(
                    """
                    select email from {users} where email like '%%@%%'
                    group by email having bool_and(id = %s)
                    """
                ).format(users=sql.Identifier(LANDING_SCHEMA, "users")),
                (person_id,),
            )
        )
    return Person(person_id, tuple(sorted(keys)), emails)


def count_rows(connection: psycopg.Connection, person: Person) -> dict[str, int]:
    """Counts the rows that are of a person, by table; tables without any are left out.

    Args:
        connection: Connection that reads everything.
        person: Whom to look for.
    """
    counts: dict[str, int] = {}
    for name, places in _by_table(_places(connection)).items():
        row = connection.execute(
            sql.SQL("select count(*) from {} where {}").format(
                sql.Identifier(places[0].schema, places[0].table), _of_person(places)
            ),
            _parameters(person),
        ).fetchone()
        counts[name] = int(row[0]) if row else 0
    counts[_QUARANTINE] = len(_rejected(connection, person))
    return {name: count for name, count in counts.items() if count}


def is_forgotten(connection: psycopg.Connection, settings: Settings, person_id: int) -> bool:
    """Whether a person has a tombstone.

    Raises:
        LandingError: The key is not the one that tombstones were made with.
    """
    tombstones = read_tombstones(connection, settings, LANDING_SCHEMA)
    return tombstones is not None and mark(tombstones.key, person_id) in tombstones.marks


def erase(lock: psycopg.Connection, settings: Settings, person: Person, erased_by: str) -> Erasure:
    """Puts the tombstone and takes the person's rows, in one transaction.

    Args:
        lock: Connection that holds the run's lock, and owns the tables or belongs to their owners.
        settings: Where the key of the tombstones is.
        person: Whom to forget.
        erased_by: Who does it.

    Raises:
        ErasureError: The user may not; nothing is changed.
    """
    key = read_key(settings) or make_key(settings)
    tombstone = mark(key, person.id)
    try:
        with lock.transaction():
            create_erasures(lock, LANDING_SCHEMA)
            lock.execute(
                sql.SQL(
                    """
                    insert into {} (tombstone, key_check, erased_by, begun_at)
                    values (%s, %s, %s, clock_timestamp())
                    on conflict (tombstone) do update set completed_at = null
                    """
                ).format(sql.Identifier(LANDING_SCHEMA, ERASURES)),
                (tombstone, key_check(key), erased_by),
            )
            _rebook(lock, person)
            counts = _delete(lock, person)
            _drop_failures(lock)
            for schema in _schemas_with(lock, "model_builds"):
                # each model is then built in full: also what only counts their listens
                lock.execute(
                    sql.SQL("delete from {}").format(sql.Identifier(schema, "model_builds"))
                )
            row = lock.execute(
                sql.SQL(
                    """
                    update {} set counts = counts || %s where tombstone = %s
                    returning counts, pg_current_xact_id()::text
                    """
                ).format(sql.Identifier(LANDING_SCHEMA, ERASURES)),
                (Jsonb(counts), tombstone),
            ).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise ErasureError(
            f"Nothing was erased: {error.diag.message_primary}. Run this as the owner of the "
            "database, who belongs to the roles that own its tables (`listenhouse grant`)."
        ) from error
    total, transaction = row or ({}, "0")
    # also of rows that went long ago
    names = {place.name for place in _places(lock) if place.is_table} | {_QUARANTINE, *total}
    return Erasure(total, dict(_tables(lock, sorted(names))), transaction)


def erase_files(settings: Settings, person: Person) -> int:
    """Takes a person from the files beside the database: what waited to be landed, and logs.

    Args:
        settings: Where they are.
        person: Whom to forget.

    Returns:
        How many files said their address.
    """
    # the warehouse knows all that dlt does; it gets its state from there
    shutil.rmtree(settings.dlt_directory / "pipelines" / PIPELINE, ignore_errors=True)
    shutil.rmtree(settings.spool_directory, ignore_errors=True)
    changed = 0
    for file in _files(settings):
        content = file.read_bytes()
        kept = content
        for email in person.emails:
            kept = kept.replace(email.encode(), "…".encode())
        if kept != content:
            # in place: the server goes on writing in its log
            with file.open("r+b") as stream:
                stream.write(kept)
                stream.truncate()
            changed += 1
    return changed


def vacuum(lock: psycopg.Connection, erasure: Erasure) -> None:
    """Rewrites tables without their dead rows, and the planner's statistics of them.

    Args:
        lock: Connection that holds the run's lock.
        erasure: What was erased.

    Raises:
        ErasureError: A session may still look at the dead rows, so they cannot go.
    """
    row = lock.execute(
        """
        select pid, coalesce(nullif(application_name, ''), usename)
        from pg_stat_activity
        where
            datname = current_database()
            and backend_type = 'client backend'
            and pid <> pg_backend_pid()
            and age(backend_xmin) >= age(%s::xid)
        """,
        (str(int(erasure.transaction) % 2**32),),
    ).fetchone()
    if row:
        raise ErasureError(
            f"The rows are deleted, but the session {row[1]} (pid {row[0]}) has looked at the "
            "database since before that, and PostgreSQL keeps them on the disk for it: end it, "
            "and run this again."
        )
    for oid, name in _tables(lock, list(erasure.tables.values())):
        # one that dbt has replaced since has no dead rows
        if oid in erasure.tables:
            schema, _, table = name.partition(".")
            lock.execute(sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(schema, table)))
    # frequent and extreme values of every column
    lock.execute("vacuum (full) pg_catalog.pg_statistic")


def find_rests(lock: psycopg.Connection, settings: Settings, person: Person) -> dict[str, int]:
    """Scans every table of every schema, and the files, for what is left of a person.

    Args:
        lock: Connection that reads everything.
        settings: Where the files are.
        person: Whom to look for.

    Returns:
        Rows by table, and 1 for each file; nothing when nothing is left.
    """
    rests = count_rows(lock, person)
    patterns = [f"%{email}%" for email in person.emails]
    if patterns:
        for schema, table, columns in _text_columns(lock):
            texts = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns]
            row = lock.execute(
                sql.SQL("select count(*) from {} where concat_ws(' ', {}) like any(%s)").format(
                    sql.Identifier(schema, table), sql.SQL(", ").join(texts)
                ),
                (patterns,),
            ).fetchone()
            if row and row[0]:
                rests[f"{schema}.{table}"] = int(row[0])
    for file in _files(settings):
        content = file.read_bytes()
        if any(email.encode() in content for email in person.emails):
            rests[str(file)] = 1
    return rests


def complete(lock: psycopg.Connection, settings: Settings, person: Person) -> None:
    """Notes that nothing is left.

    Args:
        lock: Connection that holds the run's lock.
        settings: Where the key of the tombstones is.
        person: Who is forgotten.
    """
    lock.execute(
        sql.SQL("update {} set completed_at = clock_timestamp() where tombstone = %s").format(
            sql.Identifier(LANDING_SCHEMA, ERASURES)
        ),
        (mark(read_key(settings) or b"", person.id),),
    )


def is_built(connection: psycopg.Connection) -> bool:
    """Whether there are marts, which have to be built again."""
    return table_exists(connection, "intermediate", "model_builds")


def _places(connection: psycopg.Connection) -> list[Place]:
    rows = connection.execute(
        r"""
        select
            nspname::text,
            relname::text,
            attname::text,
            attname ~ 'user_key$',
            exists (
                select from pg_attribute as source
                where source.attrelid = pg_class.oid and source.attname = 'source_name'
            ),
            relkind <> 'm'
        from pg_attribute
        inner join pg_class on pg_class.oid = attrelid
        inner join pg_namespace on pg_namespace.oid = relnamespace
        where
            relkind in ('r', 'p', 'm')
            and not relispartition
            and nspname not in ('pg_catalog', 'information_schema')
            and nspname !~ '^pg_(toast|temp)'
            and attnum > 0
            and not attisdropped
            and (
                attname ~ '(^|_)user_(id|key)$'
                or (attname = 'id' and relname = 'users' and nspname ~ %s)
            )
        order by nspname, relname, attname
        """,
        (f"^{LANDING_SCHEMA}",),
    )
    return [Place(*row) for row in rows]


def _by_table(places: Sequence[Place]) -> dict[str, list[Place]]:
    tables: dict[str, list[Place]] = {}
    for place in places:
        tables.setdefault(place.name, []).append(place)
    return tables


def _of_person(places: Sequence[Place]) -> sql.Composed:
    """The condition that a row of a table is of the person."""
    conditions = []
    for place in places:
        condition = sql.SQL(
            "{}::text = any(%(keys)s)" if place.is_key else "{}::text = %(id)s"
        ).format(sql.Identifier(place.column))
        if place.has_source and not place.is_key:
            condition = sql.SQL("({} and source_name = %(source)s)").format(condition)
        conditions.append(condition)
    return sql.SQL(" or ").join(conditions)


def _parameters(person: Person) -> dict[str, object]:
    return {"id": str(person.id), "keys": list(person.keys), "source": SOURCE_NAME}


def _rejected(connection: psycopg.Connection, person: Person) -> list[str]:
    """The hashes of rejected records that are of a person, or of nobody and say their address."""
    if not table_exists(connection, LANDING_SCHEMA, "rejected_records"):
        return []
    found = []
    endpoints = {endpoint.name: endpoint for endpoint in _PEOPLE}
    for record_hash, name, record in connection.execute(
        sql.SQL("select record_hash, endpoint, record from {} where endpoint = any(%s)").format(
            sql.Identifier(LANDING_SCHEMA, "rejected_records")
        ),
        (list(endpoints),),
    ):
        endpoint = endpoints[name]
        try:
            owner = readable_person(endpoint, json.loads(record, strict=False))
        except ValueError:
            # what PostgreSQL cannot store is written with escapes, which are no JSON
            written = re.search(rf'"{endpoint.person}"\s*:\s*"?\s*(-?\d+)', record)
            owner = int(written[1]) if written else None
        says_address = any(email in record for email in person.emails)
        if owner == person.id or (owner is None and says_address):
            found.append(record_hash)
    return found


def _rebook(lock: psycopg.Connection, person: Person) -> None:
    """Makes figures of the past what they would be without the person."""
    create_rejected_records(lock, LANDING_SCHEMA)
    create_crawls(lock, LANDING_SCHEMA, [endpoint.name for endpoint in ENDPOINTS])
    for endpoint in _PEOPLE:
        if not table_exists(lock, LANDING_SCHEMA, endpoint.name):
            continue
        columns = {
            name: sql.Identifier(f"{endpoint.name}_{name}")
            for name in ("landed", "carried", "forgotten")
        }
        # where nothing is landed any more, what is still valid was carried on
        lock.execute(
            sql.SQL(
                """
                with erased as (
                    select crawls.boundary_at, count(*) as versions
                    from {crawls} as crawls
                    inner join {table} as versions
                        on versions._dlt_valid_from <= crawls.boundary_at
                        and coalesce(versions._dlt_valid_to, 'infinity') > crawls.boundary_at
                    where versions.{person} = %s
                    group by crawls.boundary_at
                )
                update {crawls} as crawls set
                    {landed} = {landed} - least({landed}, versions),
                    {carried} = {carried} - (versions - least({landed}, versions)),
                    {forgotten} = {forgotten} + least({landed}, versions)
                from erased where crawls.boundary_at = erased.boundary_at
                """
            ).format(
                crawls=sql.Identifier(LANDING_SCHEMA, "crawls"),
                table=sql.Identifier(LANDING_SCHEMA, endpoint.name),
                person=sql.Identifier(str(endpoint.person)),
                **columns,
            ),
            (person.id,),
        )
    if table_exists(lock, "recommendations", "batches"):
        lock.execute(
            """
            with lists as (
                select for_date, source_name, count(*) as track_count
                from recommendations.recommendations
                where user_id = %(id)s and source_name = %(source)s
                group by for_date, source_name
            )
            update recommendations.batches set
                user_count = user_count - 1,
                short_list_count = short_list_count - (track_count < list_length)::int
            from lists
            where
                batches.for_date = lists.for_date and batches.source_name = lists.source_name
            """,
            _parameters(person),
        )


def _delete(lock: psycopg.Connection, person: Person) -> dict[str, int]:
    rejected = _rejected(lock, person)
    counts = {
        _QUARANTINE: lock.execute(
            sql.SQL("delete from {} where record_hash = any(%s)").format(
                sql.Identifier(LANDING_SCHEMA, "rejected_records")
            ),
            (rejected,),
        ).rowcount
    }
    for name, places in _by_table(_places(lock)).items():
        if places[0].is_table:
            counts[name] = lock.execute(
                sql.SQL("delete from {} where {}").format(
                    sql.Identifier(places[0].schema, places[0].table), _of_person(places)
                ),
                _parameters(person),
            ).rowcount
    return {name: count for name, count in counts.items() if count}


def _drop_failures(lock: psycopg.Connection) -> None:
    """Drops the rows that failed tests, of whomever: the next build says which fail."""
    tables = lock.execute(
        """
        select schemaname::text, tablename::text
        from pg_tables
        where schemaname ~ 'test_failures$'
        """
    ).fetchall()
    for schema, table in tables:
        lock.execute(sql.SQL("drop table {}").format(sql.Identifier(schema, table)))


def _schemas_with(connection: psycopg.Connection, table: LiteralString) -> Iterator[str]:
    for (schema,) in connection.execute(
        "select schemaname::text from pg_tables where tablename = %s", (table,)
    ).fetchall():
        yield schema


def _tables(connection: psycopg.Connection, names: Sequence[str]) -> list[tuple[int, str]]:
    return connection.execute(
        """
        select pg_class.oid::bigint, nspname || '.' || relname
        from pg_class
        inner join pg_namespace on pg_namespace.oid = relnamespace
        where nspname || '.' || relname = any(%s)
        order by 2
        """,
        (list(names),),
    ).fetchall()


def _text_columns(connection: psycopg.Connection) -> list[tuple[str, str, list[str]]]:
    return connection.execute(
        """
        select nspname::text, relname::text, array_agg(attname::text order by attnum)
        from pg_attribute
        inner join pg_class on pg_class.oid = attrelid
        inner join pg_namespace on pg_namespace.oid = relnamespace
        where
            relkind in ('r', 'p', 'm')
            and nspname not in ('pg_catalog', 'information_schema')
            and nspname !~ '^pg_(toast|temp)'
            and attnum > 0
            and not attisdropped
            and atttypid in ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype)
        group by nspname, relname
        order by nspname, relname
        """
    ).fetchall()


def _files(settings: Settings) -> Iterator[Path]:
    """Files that lines about a person could be in."""
    folders = (
        settings.log_directory,
        settings.home / "pages",
        PROJECT_ROOT / "logs",
        PROJECT_ROOT / "target",
    )
    single = (settings.simulator_log_file, settings.postgres_directory / "server.log")
    for file in (*single, *(file for folder in folders for file in sorted(folder.rglob("*")))):
        if file.is_file():
            yield file
