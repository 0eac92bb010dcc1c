"""The columns of every table that say whose a row is, and the condition that it is of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ingestion.sources.catalogue import SOURCES, Source


@dataclass(frozen=True)
class PersonalColumn:
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


def personal_columns(connection: psycopg.Connection, source: Source) -> list[PersonalColumn]:
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
    return [PersonalColumn(*row) for row in rows]


def by_table(places: Sequence[PersonalColumn]) -> dict[str, list[PersonalColumn]]:
    """Personal columns, by the name of their table."""
    tables: dict[str, list[PersonalColumn]] = {}
    for place in places:
        tables.setdefault(place.name, []).append(place)
    return tables


def of_person(places: Sequence[PersonalColumn]) -> sql.Composed:
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
