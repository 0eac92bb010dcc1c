"""Forgets a person: every version, list, rejected record and dead row, and the files beside.

In: a source and a person's id there. Out: a warehouse in which nothing says that there was one, a
keyed tombstone that keeps the next load from bringing them back, and counts of what went.

One transaction puts the tombstone and takes the rows, in every table of every schema that has the
person's id or key; the figures of crawls then add up as if the tombstone had stood from the first
day. What else finds the person, the keys of their versions and their addresses, waits beside the
tombstone: whatever fails later (the build, a session that keeps dead rows, the scan) leaves the
erasure open, and to run it again looks for all of it once more.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ingestion import moovitamix, spotify
from ingestion.addresses import MAYBE_ADDRESS, address_of, addresses_in, find_addresses
from ingestion.crawl_ledger import create_crawls, table_exists
from ingestion.decoding import person_of_rejected
from ingestion.endpoint import Endpoint
from ingestion.quarantine import create_rejected_records
from ingestion.tombstones import (
    ERASURES,
    create_erasures,
    key_check,
    make_key,
    mark,
    mark_address,
    read_key,
    read_tombstones,
)
from warehouse.errors import ListenhouseError
from warehouse.foreign_code import hold_tables_still
from warehouse.run_lock import LOADER_APPLICATION
from warehouse.settings import PROJECT_ROOT, Settings

_DBT_APPLICATION = "dbt"
"""How the sessions of dbt call themselves, by profiles.yml."""


class ErasureError(ListenhouseError):
    """A person cannot be forgotten, or something of them is left."""


@dataclass(frozen=True)
class Source:
    """A source whose people can be forgotten.

    Attributes:
        name: What marts call it.
        schema: Where it lands.
        crawled: Its endpoints whose records say whose they are; of a source that is imported, none.
    """

    name: str
    schema: str
    crawled: tuple[Endpoint, ...] = ()

    @property
    def quarantine(self) -> str:
        """Schema and table of its rejected records."""
        return f"{self.schema}.rejected_records"


SOURCES = {
    source.name: source
    for source in (
        Source(
            moovitamix.SOURCE_NAME,
            moovitamix.LANDING_SCHEMA,
            tuple(endpoint for endpoint in moovitamix.ENDPOINTS if endpoint.person is not None),
        ),
        Source(spotify.SOURCE_NAME, spotify.LANDING_SCHEMA),
    )
}
"""By name."""


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
    """What finds a person.

    Attributes:
        source: Where they are a user.
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


def refuse_beside_others(connection: psycopg.Connection) -> None:
    """Raises where something is under way that does not hold the run's lock.

    Args:
        connection: Connection that holds the run's lock.

    Raises:
        ErasureError: A build, or a merge whose run died, could bring back what goes.
    """
    row = connection.execute(
        """
        select application_name, pid
        from pg_stat_activity
        where datname = current_database() and application_name = any(%s)
        """,
        ([_DBT_APPLICATION, LOADER_APPLICATION],),
    ).fetchone()
    if row:
        raise ErasureError(
            f"Nothing was changed: a session of {row[0]} is under way (pid {row[1]}) and could "
            "bring the user back. Wait for it to end, then run this again."
        )


def find_person(
    connection: psycopg.Connection, settings: Settings, source: Source, person_id: str
) -> Person:
    """Looks up what finds a person, and what was still sought when an erasure was cut short.

    Args:
        connection: Connection that reads everything.
        settings: Where the key of the tombstones is.
        source: Where they are a user.
        person_id: The source's id.
    """
    keys: set[str] = set()
    for places in _by_table(_places(connection, source)).values():
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
    if source.crawled and table_exists(connection, source.schema, "users"):
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


def count_rows(connection: psycopg.Connection, person: Person) -> dict[str, int]:
    """Counts the rows that are of a person, by table; tables without any are left out.

    Args:
        connection: Connection that reads everything.
        person: Whom to look for.
    """
    counts: dict[str, int] = {}
    for name, places in _by_table(_places(connection, person.source)).items():
        row = connection.execute(
            sql.SQL("select count(*) from {} where {}").format(
                sql.Identifier(places[0].schema, places[0].table), _of_person(places)
            ),
            _parameters(person),
        ).fetchone()
        counts[name] = int(row[0]) if row else 0
    counts[person.source.quarantine] = len(_rejected(connection, person))
    return {name: count for name, count in counts.items() if count}


def is_forgotten(
    connection: psycopg.Connection, settings: Settings, source: Source, person_id: str
) -> bool:
    """Whether a person has a tombstone.

    Raises:
        LandingError: The key is not the one that tombstones were made with.
    """
    tombstones = read_tombstones(connection, settings, source.schema)
    return tombstones is not None and tombstones.cover(person_id)


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
    erasures = sql.Identifier(person.source.schema, ERASURES)
    # what somebody makes from now on can have triggers, and is no place
    places = _places(lock, person.source)
    built = [
        (schema, table)
        for table in ("model_builds", "changed_units")
        for schema in _schemas_with(lock, table)
    ]
    try:
        with lock.transaction():
            create_erasures(lock, person.source.schema)
            hold_tables_still(lock)
            lock.execute(
                sql.SQL(
                    """
                    insert into {} as known (
                        tombstone, address_marks, sought, key_check, erased_by, begun_at
                    )
                    values (%s, %s, %s, %s, %s, clock_timestamp())
                    on conflict (tombstone) do update set
                        address_marks = array(
                            select unnest(known.address_marks)
                            union select unnest(excluded.address_marks)
                        ),
                        sought = excluded.sought,
                        completed_at = null
                    """
                ).format(erasures),
                (
                    tombstone,
                    [mark_address(key, email) for email in person.emails],
                    Jsonb({"keys": person.keys, "emails": person.emails}),
                    key_check(key),
                    erased_by,
                ),
            )
            _rebook(lock, person)
            counts = _delete(lock, person, places)
            _drop_failures(lock)
            # each model is then built in full: also what only counts their listens; and the keys
            # of what was built name users
            for name in built:
                lock.execute(sql.SQL("delete from {}").format(sql.Identifier(*name)))
            row = lock.execute(
                sql.SQL(
                    """
                    update {} set counts = counts || %s where tombstone = %s
                    returning counts, pg_current_xact_id()::text
                    """
                ).format(erasures),
                (Jsonb(counts), tombstone),
            ).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise ErasureError(
            f"Nothing was erased: {error.diag.message_primary}. Run this as the owner of the "
            "database, who belongs to the roles that own its tables (`listenhouse grant`)."
        ) from error
    total, transaction = row or ({}, "0")
    # also of rows that went long ago
    names = {place.name for place in places if place.is_table}
    names |= {person.source.quarantine, *total}
    return Erasure(total, dict(_tables(lock, sorted(names))), transaction)


def erase_files(settings: Settings, person: Person) -> int:
    """Takes a person from the files beside the database: what waited to be landed, and addresses.

    Args:
        settings: Where they are.
        person: Whom to forget.

    Returns:
        How many files said their address.

    Raises:
        ErasureError: A file cannot be changed.
    """
    # the warehouse knows all that dlt does; it gets its state from there
    for folder in _folders_of_loads(settings):
        shutil.rmtree(folder, ignore_errors=True)
    changed = 0
    for file in _files(settings):
        try:
            spots = _find_addresses(file, person)
            if spots:
                # in place, byte for byte: the server goes on writing in its log
                with file.open("r+b") as stream:
                    for start, end in spots:
                        stream.seek(start)
                        stream.write(b"*" * (end - start))
                changed += 1
        except FileNotFoundError:
            # a log that was let go meanwhile
            continue
        except OSError as error:
            raise ErasureError(
                f"The rows are deleted, but {file} cannot be changed ({error.strerror}): correct "
                "its rights, and run this again."
            ) from error
    return changed


def vacuum(lock: psycopg.Connection, erasure: Erasure) -> None:
    """Rewrites tables without their dead rows, and the planner's statistics of them.

    Args:
        lock: Connection that holds the run's lock.
        erasure: What was erased.

    Raises:
        ErasureError: Somebody may still look at the dead rows, so they cannot go.
    """
    _refuse_watchers(lock, erasure.transaction)
    for oid, name in _tables(lock, list(erasure.tables.values())):
        # one that dbt has replaced since has no dead rows
        if oid in erasure.tables:
            schema, _, table = name.partition(".")
            lock.execute(sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(schema, table)))
    # frequent and extreme values of every column
    lock.execute("vacuum (full) pg_catalog.pg_statistic")


def find_rests(lock: psycopg.Connection, settings: Settings, person: Person) -> dict[str, int]:
    """Scans every table for the person's id, keys and addresses, and the files for addresses.

    Args:
        lock: Connection that reads everything.
        settings: Where the files are.
        person: Whom to look for.

    Returns:
        Rows by table, and 1 for each file; nothing when nothing is left.
    """
    rests = count_rows(lock, person)
    if person.emails:
        for schema, table, columns in _text_columns(lock):
            if table == ERASURES and schema == person.source.schema:
                # what is sought waits there, until nothing is found
                continue
            texts = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns]
            saying = sql.SQL(
                "select said from (select concat_ws(' ', {}) as said from {}) as texts"
                " where said ~ %s"
            ).format(sql.SQL(", ").join(texts), sql.Identifier(schema, table))
            with lock.transaction(), lock.cursor("texts") as cursor:
                rows = cursor.execute(saying, (MAYBE_ADDRESS,))
                count = sum(person.is_named_in(text) for (text,) in rows)
            if count:
                rests[f"{schema}.{table}"] = count
    for folder in _folders_of_loads(settings):
        if folder.exists():
            rests[str(folder)] = 1
    for file in _files(settings):
        try:
            if _find_addresses(file, person):
                rests[str(file)] = 1
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ErasureError(
                f"The rows are deleted, but {file} cannot be read ({error.strerror}): correct its "
                "rights, and run this again."
            ) from error
    return rests


def complete(lock: psycopg.Connection, settings: Settings, person: Person) -> None:
    """Notes that nothing is left, and lets go what was sought.

    Args:
        lock: Connection that holds the run's lock.
        settings: Where the key of the tombstones is.
        person: Who is forgotten.

    Raises:
        ErasureError: Somebody may still look at what was sought.
    """
    erasures = sql.Identifier(person.source.schema, ERASURES)
    tombstone = mark(read_key(settings) or b"", person.id)
    with lock.transaction():
        hold_tables_still(lock)
        row = lock.execute(
            sql.SQL(
                """
                update {} set sought = null where tombstone = %s
                returning pg_current_xact_id()::text
                """
            ).format(erasures),
            (tombstone,),
        ).fetchone()
    if row:
        _refuse_watchers(lock, row[0])
    lock.execute(sql.SQL("vacuum (full, analyze) {}").format(erasures))
    with lock.transaction():
        hold_tables_still(lock)
        lock.execute(
            sql.SQL("update {} set completed_at = clock_timestamp() where tombstone = %s").format(
                erasures
            ),
            (tombstone,),
        )


def is_built(connection: psycopg.Connection) -> bool:
    """Whether there are marts, which have to be built again."""
    return table_exists(connection, "intermediate", "model_builds")


def _refuse_watchers(lock: psycopg.Connection, transaction: str) -> None:
    """Raises where somebody may still look at rows that a transaction deleted."""
    row = lock.execute(
        """
        with horizon as (select %s::xid as xid)
        -- what sessions of other logins do is not shown to everybody; this much is
        select format(
            'the session %%s (pid %%s)', coalesce(nullif(application_name, ''), usename), pid
        )
        from pg_stat_activity, horizon
        where
            coalesce(datname, current_database()) = current_database()
            and usesysid is not null
            and pid <> pg_backend_pid()
            and age(backend_xmin) >= age(horizon.xid)
        union all
        select format('the prepared transaction %%s', gid)
        from pg_prepared_xacts, horizon
        where database = current_database() and age(transaction) >= age(horizon.xid)
        union all
        select format('the replication slot %%s', slot_name)
        from pg_replication_slots, horizon
        where age(xmin) >= age(horizon.xid)
        """,
        (str(int(transaction) % 2**32),),
    ).fetchone()
    if row:
        raise ErasureError(
            f"The rows are deleted, but {row[0]} has looked at the database since before that, and "
            "PostgreSQL keeps them on the disk for it: end it, and run this again."
        )


def _places(connection: psycopg.Connection, source: Source) -> list[Place]:
    """Where rows of the source's people can be: not where other sources land."""
    others = [other.schema for other in SOURCES.values() if other != source]
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
            and nspname <> all(%s)
            and attnum > 0
            and not attisdropped
            and (
                attname ~ '(^|_)user_(id|key)$'
                or (attname = 'id' and relname = 'users' and nspname ~ %s)
            )
        order by nspname, relname, attname
        """,
        ([*others, *(f"{other}_staging" for other in others)], f"^{source.schema}"),
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
    return {"id": person.id, "keys": list(person.keys), "source": person.source.name}


def _rejected(connection: psycopg.Connection, person: Person) -> list[str]:
    """The hashes of rejected records that are of a person, or of nobody and say their address."""
    found = []
    for record_hash, owner, record in _quarantined(connection, person.source):
        if owner == person.id or (owner is None and person.is_named_in(record)):
            found.append(record_hash)
    return found


def _quarantined(
    connection: psycopg.Connection, source: Source
) -> Iterator[tuple[str, str | None, str]]:
    """Hash, owner as far as one can tell, and text of each rejected record."""
    if not table_exists(connection, source.schema, "rejected_records"):
        return
    endpoints = {endpoint.name: endpoint for endpoint in source.crawled}
    for record_hash, name, record in connection.execute(
        sql.SQL("select record_hash, endpoint, record from {}").format(
            sql.Identifier(source.schema, "rejected_records")
        )
    ):
        if name in endpoints:
            yield record_hash, _owner(endpoints[name], record), record
        elif not source.crawled:
            # what is imported is filed under whose it is
            yield record_hash, spotify.owner_of_rejected(name), record


def _owner(endpoint: Endpoint, record: str) -> str | None:
    owner = person_of_rejected(endpoint, record)
    return None if owner is None else str(owner)


def _rebook(lock: psycopg.Connection, person: Person) -> None:
    """Makes figures of the past add up without the person."""
    source = person.source
    create_rejected_records(lock, source.schema)
    if source.crawled:
        create_crawls(lock, source.schema, [endpoint.name for endpoint in moovitamix.ENDPOINTS])
    for endpoint in source.crawled:
        if not table_exists(lock, source.schema, endpoint.name):
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
                    where versions.{person}::text = %s
                    group by crawls.boundary_at
                )
                update {crawls} as crawls set
                    {landed} = {landed} - least({landed}, versions),
                    {carried} = {carried} - (versions - least({landed}, versions)),
                    {forgotten} = {forgotten} + least({landed}, versions)
                from erased where crawls.boundary_at = erased.boundary_at
                """
            ).format(
                crawls=sql.Identifier(source.schema, "crawls"),
                table=sql.Identifier(source.schema, endpoint.name),
                person=sql.Identifier(str(endpoint.person)),
                **columns,
            ),
            (person.id,),
        )
    for batches, lists in (
        ("batches", "recommendations"),
        ("superseded_batches", "superseded_recommendations"),
    ):
        if not table_exists(lock, "recommendations", batches):
            continue
        lock.execute(
            sql.SQL(
                """
                with lists as (
                    select for_date, source_name, generated_at, count(*) as track_count
                    from {lists}
                    where user_id = %(id)s and source_name = %(source)s
                    group by for_date, source_name, generated_at
                )
                update {batches} as batches set
                    user_count = user_count - 1,
                    short_list_count = short_list_count - (track_count < list_length)::int
                from lists
                where
                    batches.for_date = lists.for_date
                    and batches.source_name = lists.source_name
                    and batches.generated_at = lists.generated_at
                """
            ).format(
                lists=sql.Identifier("recommendations", lists),
                batches=sql.Identifier("recommendations", batches),
            ),
            _parameters(person),
        )


def _delete(lock: psycopg.Connection, person: Person, places: Sequence[Place]) -> dict[str, int]:
    rejected = _rejected(lock, person)
    counts = {
        person.source.quarantine: lock.execute(
            sql.SQL("delete from {} where record_hash = any(%s)").format(
                sql.Identifier(person.source.schema, "rejected_records")
            ),
            (rejected,),
        ).rowcount
    }
    for name, columns in _by_table(places).items():
        if columns[0].is_table:
            counts[name] = lock.execute(
                sql.SQL("delete from {} where {}").format(
                    sql.Identifier(columns[0].schema, columns[0].table), _of_person(columns)
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
            and atttypid = any(
                '{text,varchar,bpchar,json,jsonb,text[],varchar[],json[],jsonb[]}'::regtype[]
            )
        group by nspname, relname
        order by nspname, relname
        """
    ).fetchall()


def _folders_of_loads(settings: Settings) -> tuple[Path, ...]:
    """Where loads keep records: what waited to be landed, and what dlt made of it."""
    return settings.dlt_directory / "pipelines", settings.spool_directory


def _find_addresses(file: Path, person: Person) -> list[tuple[int, int]]:
    """Where a file says an address of a person, in bytes."""
    as_it_is = "surrogateescape"
    text = file.read_bytes().decode(errors=as_it_is)
    if not person.emails or not re.search(MAYBE_ADDRESS, text):
        return []
    return [
        (len(text[:start].encode(errors=as_it_is)), len(text[:end].encode(errors=as_it_is)))
        for start, end, address in find_addresses(text)
        if address in person.emails
    ]


def _files(settings: Settings) -> Iterator[Path]:
    """Files that lines about a person could be in."""
    # by default, by the image and the systemd units, by whoever runs this
    named = [os.environ[name] for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH") if name in os.environ]
    folders = {
        settings.log_directory,
        *(settings.home / name for name in ("pages", "target", "dbt-logs")),
        *(PROJECT_ROOT / name for name in ("logs", "target", *named)),
    }
    single = (settings.simulator_log_file, settings.postgres_directory / "server.log")
    for file in (*single, *(file for folder in sorted(folders) for file in folder.rglob("*"))):
        if file.is_file():
            yield file
