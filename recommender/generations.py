"""The lists of one day that were served one after another.

In: a connection with an open transaction, and a day of a source. Out: rows of the tables
`superseded_…`, each generation under the time at which its lists were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from recommender.tables import LISTS, SCHEMA

_OF_DAY = sql.SQL("for_date = %(for_date)s and source_name = %(source_name)s")
_OF_GENERATION = sql.SQL("{} and generated_at = %(generated_at)s").format(_OF_DAY)


def next_generated_at(connection: psycopg.Connection, key: Mapping[str, object]) -> datetime:
    """When lists are made that are made now: later than those that the day has.

    By the clock of the database, or a moment after the day's lists where that clock was put back.

    Args:
        connection: Connection with an open transaction.
        key: `for_date` and `source_name`.
    """
    [(time,)] = connection.execute(
        sql.SQL(
            "select greatest(clock_timestamp(), max(generated_at) + interval '1 microsecond')"
            " from {} where {}"
        ).format(sql.Identifier(SCHEMA, "batches"), _OF_DAY),
        key,
    ).fetchall()
    return _utc(time)


def supersede(connection: psycopg.Connection, key: Mapping[str, object]) -> datetime | None:
    """Copies the lists that a day has to where they stay when others take their place.

    Args:
        connection: Connection with an open transaction.
        key: `for_date` and `source_name`.

    Returns:
        When they were made, UTC; None where the day has none.
    """
    row = connection.execute(
        sql.SQL("select generated_at from {} where {}").format(
            sql.Identifier(SCHEMA, "batches"), _OF_DAY
        ),
        key,
    ).fetchone()
    if row is None:
        return None
    for table in LISTS:
        connection.execute(
            sql.SQL(
                "insert into {superseded} ({columns}, generated_at)"
                " select {columns}, %(generated_at)s from {current} where {of_day}"
            ).format(
                superseded=sql.Identifier(SCHEMA, f"superseded_{table}"),
                current=sql.Identifier(SCHEMA, table),
                columns=_columns(connection, table),
                of_day=_OF_DAY,
            ),
            {**key, "generated_at": row[0]},
        )
    return _utc(row[0])


def is_same(
    connection: psycopg.Connection, key: Mapping[str, object], generated_at: datetime
) -> bool:
    """Whether the lists that a day has are those of a superseded generation, but for their times.

    Args:
        connection: Connection with an open transaction.
        key: `for_date` and `source_name`.
        generated_at: Which generation.
    """
    for table in LISTS:
        names = {
            "columns": _columns(connection, table, without="data_cutoff"),
            "current": sql.Identifier(SCHEMA, table),
            "superseded": sql.Identifier(SCHEMA, f"superseded_{table}"),
            "of_day": _OF_DAY,
            "of_generation": _OF_GENERATION,
        }
        [(differs,)] = connection.execute(
            sql.SQL(
                """
                with
                current as (select {columns} from {current} where {of_day}),
                superseded as (select {columns} from {superseded} where {of_generation})
                select
                    (select count(*) from current) <> (select count(*) from superseded)
                    or exists (select * from current except select * from superseded)
                """
            ).format(**names),
            {**key, "generated_at": generated_at},
        ).fetchall()
        if differs:
            return False
    return True


def _columns(connection: psycopg.Connection, table: str, *, without: str = "") -> sql.Composed:
    """The columns of a table but its `generated_at`, which not all of them have."""
    cursor = connection.execute(
        sql.SQL("select * from {} limit 0").format(sql.Identifier(SCHEMA, table))
    )
    names = [column.name for column in cursor.description or ()]
    return sql.SQL(", ").join(
        sql.Identifier(name) for name in names if name not in ("generated_at", without)
    )


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)
