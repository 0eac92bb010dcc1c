"""What changed: versions of records that a crawl opened or closed, and lists of recommendations.

In: landing and the lists, as they are committed. Out: changes by natural key; one without data
says that there is nothing under the key any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

_ROWS_AT_A_TIME = 10_000


@dataclass(frozen=True)
class FeedTable:
    """A landing table whose changes are published.

    Attributes:
        source: What marts call its source.
        schema: Where it is landed.
        name: Its name.
        key: Columns of its natural key.
        columns: Columns that are published.
    """

    source: str
    schema: str
    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def topic(self) -> str:
        """Its topic."""
        return f"listenhouse.{self.source}.{self.name}"


@dataclass(frozen=True)
class Change:
    """What became of one key.

    Attributes:
        key: The natural key: the value, or a JSON list of the values.
        data: The record; None where there is none any more.
    """

    key: str
    data: Mapping[str, Any] | None


def read_changes(
    connection: psycopg.Connection,
    table: FeedTable,
    previous_at: datetime | None,
    boundary_at: datetime,
) -> Iterator[Change]:
    """Streams what a crawl made visible in a table.

    That is more than it opened and closed itself, if a crawl before it died after its merge.

    Args:
        connection: Connection with an open transaction.
        table: The table.
        previous_at: The boundary of the committed crawl before it; None for the first.
        boundary_at: The crawl's boundary.

    Yields:
        A change per key, at most one each.
    """
    names = {
        "table": sql.Identifier(table.schema, table.name),
        "columns": sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        "keys": sql.SQL(", ").join(map(sql.Identifier, table.key)),
        "same": sql.SQL(" and ").join(
            sql.SQL("closed.{key} is not distinct from held.{key}").format(key=sql.Identifier(name))
            for name in table.key
        ),
        "since": sql.SQL("> coalesce(%(previous)s::timestamptz, '-infinity')"),
    }
    boundaries = {"previous": previous_at, "at": boundary_at}
    opened = sql.SQL(
        """
        select {columns} from {table}
        where
            _dlt_valid_from {since}
            and _dlt_valid_from <= %(at)s
            and (_dlt_valid_to is null or _dlt_valid_to > %(at)s)
        """
    ).format(**names)
    for row in _stream(connection, opened, boundaries):
        yield Change(_key([row[name] for name in table.key]), row)
    closed = sql.SQL(
        """
        select distinct {keys} from {table} as closed
        where
            closed._dlt_valid_to {since}
            and closed._dlt_valid_to <= %(at)s
            and not exists (
                select from {table} as held
                where
                    {same}
                    and held._dlt_valid_from <= %(at)s
                    and (held._dlt_valid_to is null or held._dlt_valid_to > %(at)s)
            )
        """
    ).format(**names)
    for row in _stream(connection, closed, boundaries):
        yield Change(_key(list(row.values())), None)


def read_current(
    connection: psycopg.Connection, table: FeedTable, boundary_at: datetime
) -> Iterator[Change]:
    """Streams what a table holds as of a crawl.

    Args:
        connection: Connection with an open transaction.
        table: The table.
        boundary_at: The crawl's boundary.

    Yields:
        A change with data per key.
    """
    query = sql.SQL(
        """
        select {columns} from {table}
        where _dlt_valid_from <= %(at)s and (_dlt_valid_to is null or _dlt_valid_to > %(at)s)
        """
    ).format(
        table=sql.Identifier(table.schema, table.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, table.columns)),
    )
    for row in _stream(connection, query, {"at": boundary_at}):
        yield Change(_key([row[name] for name in table.key]), row)


def read_lists(
    connection: psycopg.Connection, source_name: str, newest: datetime, published: datetime | None
) -> Iterator[Change]:
    """Streams the newest lists of a source.

    Args:
        connection: Connection with an open transaction.
        source_name: Whose users.
        newest: When the newest lists were made.
        published: When those were made that are published; None where none are.

    Yields:
        A change per user with a list, and one for each user who has none any more.
    """
    lists = sql.SQL(
        """
        select
            user_id,
            for_date,
            generated_at,
            json_agg(
                json_build_object(
                    'rank', rank, 'track_id', track_id, 'score', score, 'source', source
                )
                order by rank
            ) as tracks
        from recommendations.recommendations
        where source_name = %s and generated_at = %s
        group by user_id, for_date, generated_at
        """
    )
    for row in _stream(connection, lists, (source_name, newest)):
        yield Change(row["user_id"], row)
    gone = sql.SQL(
        """
        with published as (
            select user_id from recommendations.recommendations
            where source_name = %(source)s and generated_at = %(published)s
            union
            select user_id from recommendations.superseded_recommendations
            where source_name = %(source)s and generated_at = %(published)s
        )
        select user_id from published
        except
        select user_id from recommendations.recommendations
        where source_name = %(source)s and generated_at = %(newest)s
        """
    )
    known = {"source": source_name, "newest": newest, "published": published}
    for row in _stream(connection, gone, known):
        yield Change(row["user_id"], None)


def _stream(
    connection: psycopg.Connection,
    query: sql.Composed | sql.SQL,
    parameters: Sequence[object] | Mapping[str, object],
) -> Iterator[dict[str, Any]]:
    with connection.cursor(name="feed", row_factory=dict_row) as cursor:
        cursor.itersize = _ROWS_AT_A_TIME
        cursor.execute(query, parameters)
        yield from cursor


def _key(values: list[object]) -> str:
    return str(values[0]) if len(values) == 1 else msgspec.json.encode(values).decode()
