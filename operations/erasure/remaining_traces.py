"""What is left of a person: every table and file is searched."""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.landing.addresses import MAYBE_ADDRESS
from ingestion.landing.tombstones import ERASURES
from operations.erasure.files import find_in_files
from operations.erasure.person import Person
from operations.erasure.rows import count_rows
from warehouse.settings import Settings


def find_remaining_traces(
    lock: psycopg.Connection, settings: Settings, person: Person
) -> dict[str, int]:
    """Scans every table for the person's id, keys and addresses, and the files for addresses.

    Args:
        lock: Connection that reads everything.
        settings: Where the files are.
        person: Whom to look for.

    Returns:
        Rows by table, and 1 for each file; nothing when nothing is left.
    """
    traces = count_rows(lock, person)
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
                traces[f"{schema}.{table}"] = count
    return traces | dict.fromkeys(find_in_files(settings, person), 1)


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
