"""The rows of a person: counted, taken with the tombstone, and from what people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ingestion.landing.crawl_ledger import create_crawls
from ingestion.landing.quarantine import create_rejected_records
from ingestion.landing.tombstones import (
    ERASURES,
    create_erasures,
    key_check,
    make_key,
    mark,
    mark_address,
    read_key,
)
from operations.erasure.errors import ErasureError
from operations.erasure.person import Person, rejected_of
from operations.erasure.personal_columns import (
    PersonalColumn,
    by_table,
    of_person,
    personal_columns,
)
from warehouse.database import table_exists
from warehouse.foreign_code import hold_tables_still
from warehouse.run_lock import LOADER_APPLICATION
from warehouse.settings import Settings

_DBT_APPLICATION = "dbt"
"""How the sessions of dbt call themselves, by profiles.yml."""


@dataclass(frozen=True)
class Erasure:
    """What forgetting a person did so far.

    Attributes:
        counts: Rows that went, by table; of earlier attempts as well.
        tables: Tables that rows of people are in, dead ones too, by oid.
        transaction: The last transaction that took some.
    """

    counts: Mapping[str, int]
    tables: Mapping[int, str]
    transaction: str


def refuse_concurrent_writers(connection: psycopg.Connection) -> None:
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


def count_rows(connection: psycopg.Connection, person: Person) -> dict[str, int]:
    """Counts the rows that are of a person, by table; tables without any are left out.

    Args:
        connection: Connection that reads everything.
        person: Whom to look for.
    """
    counts = {
        name: _count_rows(connection, person, places)
        for name, places in by_table(personal_columns(connection, person.source)).items()
    }
    counts[person.source.quarantine] = len(rejected_of(connection, person))
    return {name: count for name, count in counts.items() if count}


def erase(lock: psycopg.Connection, settings: Settings, person: Person, erased_by: str) -> Erasure:
    """Puts the tombstone and takes the person's rows, in one transaction.

    Rows of published tables are counted only: the publication of what is built without the person
    takes them, with all that sums them up, or else `erase_published`.

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
    places = personal_columns(lock, person.source)
    built = [
        (schema, table)
        for table in ("model_builds", "changed_units", "unpublished_units")
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
            _adjust_crawl_counts(lock, person)
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
    names |= {person.source.quarantine, *total, *(f"{schema}.{table}" for schema, table in built)}
    return Erasure(total, dict(tables_by_oid(lock, sorted(names))), transaction)


def erase_published(lock: psycopg.Connection, person: Person, erasure: Erasure) -> Erasure:
    """Takes the rows that no publication has taken from what people read.

    Args:
        lock: Connection that holds the run's lock.
        person: Whom to forget.
        erasure: What `erase` did.

    Returns:
        The same, as of this transaction.
    """
    places = personal_columns(lock, person.source)
    with lock.transaction():
        hold_tables_still(lock)
        for columns in _published(places).values():
            _delete_rows(lock, person, columns)
        row = lock.execute("select pg_current_xact_id()::text").fetchone()
    return replace(erasure, transaction=row[0] if row else erasure.transaction)


def is_built(connection: psycopg.Connection) -> bool:
    """Whether there are marts, which have to be built again."""
    return table_exists(connection, "intermediate", "model_builds")


def _adjust_crawl_counts(lock: psycopg.Connection, person: Person) -> None:
    """Makes figures of the past add up without the person."""
    source = person.source
    create_rejected_records(lock, source.schema)
    if source.is_crawled:
        create_crawls(lock, source.schema, [endpoint.name for endpoint in source.endpoints])
    for endpoint in source.personal_endpoints:
        # what is no crawl has no figures of one
        if not (source.is_crawled and table_exists(lock, source.schema, endpoint.name)):
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
            person.parameters,
        )


def _delete(
    lock: psycopg.Connection, person: Person, places: Sequence[PersonalColumn]
) -> dict[str, int]:
    rejected = rejected_of(lock, person)
    counts = {
        person.source.quarantine: lock.execute(
            sql.SQL("delete from {} where record_hash = any(%s)").format(
                sql.Identifier(person.source.schema, "rejected_records")
            ),
            (rejected,),
        ).rowcount
    }
    published = _published(places)
    for name, columns in by_table(places).items():
        if name in published:
            counts[name] = _count_rows(lock, person, columns)
        elif columns[0].is_table:
            counts[name] = _delete_rows(lock, person, columns)
    return {name: count for name, count in counts.items() if count}


def _published(places: Sequence[PersonalColumn]) -> dict[str, list[PersonalColumn]]:
    """Of the tables, those that are brought from a candidate (macros/publication/publish.sql)."""
    tables = by_table(places)
    return {name: tables[name] for name in tables if f"candidate_{name}" in tables}


def _count_rows(
    connection: psycopg.Connection, person: Person, columns: Sequence[PersonalColumn]
) -> int:
    row = connection.execute(
        sql.SQL("select count(*) from {} where {}").format(
            sql.Identifier(columns[0].schema, columns[0].table), of_person(columns)
        ),
        person.parameters,
    ).fetchone()
    return int(row[0]) if row else 0


def _delete_rows(
    lock: psycopg.Connection, person: Person, columns: Sequence[PersonalColumn]
) -> int:
    return lock.execute(
        sql.SQL("delete from {} where {}").format(
            sql.Identifier(columns[0].schema, columns[0].table), of_person(columns)
        ),
        person.parameters,
    ).rowcount


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


def tables_by_oid(connection: psycopg.Connection, names: Sequence[str]) -> list[tuple[int, str]]:
    """The oid and name of those of these tables that are there."""
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
