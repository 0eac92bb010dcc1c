"""The oracle: what a warehouse says, in a form that two runs over the same days share.

In: a database. Out: canonical rows per table, of landing and of the marts, and the violations
of landing's own rules.

Two runs differ in their wall clock and in nothing else. So each timestamp that is a boundary
(of a crawl, committed or dead) becomes the day that the first committed crawl at or after it
saw; everything else is compared as it is. What that mapping could hide is looked at before
it: `broken_rules` works on the timestamps themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg
from psycopg import sql

from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA

Canonical = Mapping[str, list[str]]
"""Sorted canonical rows by table."""

_BOOKKEEPING = frozenset({"_dlt_id", "_dlt_load_id"})
"""Columns of landing that name a run of dlt and say nothing about the source."""


@dataclass(frozen=True)
class Boundaries:
    """The boundaries in a warehouse.

    Attributes:
        committed: Those of committed crawls, ascending.
        dead: Others that landing holds: of crawls that merged in part.
        days: The day that each committed crawl saw.
    """

    committed: Sequence[datetime]
    dead: frozenset[datetime]
    days: Sequence[int]

    def name(self, moment: datetime) -> str:
        """The day that a boundary stands for; any other moment as it is."""
        if moment not in self.dead and moment not in self.committed:
            return moment.isoformat()
        for boundary, day in zip(self.committed, self.days, strict=True):
            if boundary >= moment:
                return f"day {day}"
        return "beyond"


def read_boundaries(connection: psycopg.Connection, days: Sequence[int]) -> Boundaries:
    """Reads the boundaries of a warehouse.

    Args:
        connection: The warehouse.
        days: The day that each committed crawl saw, in order.
    """
    committed: list[datetime] = []
    if _exists(connection, "crawls"):
        committed = [
            _utc(row[0])
            for row in connection.execute(
                "select boundary_at from raw_moovitamix.crawls order by boundary_at"
            )
        ]
    found: set[datetime] = set()
    for endpoint in ENDPOINTS:
        if _exists(connection, endpoint.name):
            for column in ("_dlt_valid_from", "_dlt_valid_to"):
                found |= {
                    _utc(row[0])
                    for row in connection.execute(
                        sql.SQL("select distinct {0} from {1} where {0} is not null").format(
                            sql.Identifier(column), sql.Identifier(LANDING_SCHEMA, endpoint.name)
                        )
                    )
                }
    return Boundaries(committed, frozenset(found - set(committed)), tuple(days))


def read_landing(connection: psycopg.Connection, boundaries: Boundaries) -> Canonical:
    """What landing says as of its last committed crawl.

    Args:
        connection: The warehouse.
        boundaries: Its boundaries.

    Returns:
        Versions with the days that opened and closed them, columns by name and type,
        rejected records, and the figures of the last crawl of each day.
    """
    if not boundaries.committed:
        return {}
    last = boundaries.committed[-1]
    canonical: dict[str, list[str]] = {}
    for endpoint in ENDPOINTS:
        rows = []
        for row in _rows(connection, LANDING_SCHEMA, endpoint.name):
            if row["_dlt_valid_from"] > last:
                continue
            if row["_dlt_valid_to"] is not None and row["_dlt_valid_to"] > last:
                row["_dlt_valid_to"] = None
            rows.append(_canonical_row(row, boundaries))
        canonical[endpoint.name] = sorted(rows)
    canonical["rejected_records"] = sorted(
        _canonical_row(row, boundaries)
        for row in _rows(connection, LANDING_SCHEMA, "rejected_records")
    )
    figures: dict[int, str] = {}
    crawls = sorted(
        _rows(connection, LANDING_SCHEMA, "crawls"), key=lambda row: str(row["boundary_at"])
    )
    for day, crawl in zip(boundaries.days, crawls, strict=True):
        counts = {name: value for name, value in crawl.items() if isinstance(value, int)}
        figures[day] = f"day {day}: {counts}"
    canonical["crawls"] = sorted(figures.values())
    return canonical


def read_columns(connection: psycopg.Connection) -> list[str]:
    """Every table of the landing schema with its columns and types."""
    return [
        str(row)
        for row in connection.execute(
            "select table_name, column_name, data_type from information_schema.columns"
            " where table_schema = %s order by 1, 2",
            (LANDING_SCHEMA,),
        )
    ]


def read_marts(connection: psycopg.Connection, boundaries: Boundaries) -> Canonical:
    """What the marts say; every column of every table counts."""
    tables = connection.execute(
        "select tablename from pg_tables where schemaname = 'marts' order by 1"
    ).fetchall()
    return {
        table: sorted(_canonical_row(row, boundaries) for row in _rows(connection, "marts", table))
        for (table,) in tables
    }


def broken_rules(connection: psycopg.Connection, boundaries: Boundaries, deaths: int) -> list[str]:
    """Looks for damage in landing that equal canonical rows could hide.

    Args:
        connection: The warehouse, after a successful load.
        boundaries: Its boundaries.
        deaths: How many loads died or failed before it.

    Returns:
        What is wrong, in words; nothing when all is well.
    """
    broken = []
    last = boundaries.committed[-1]
    if any(moment > last for moment in boundaries.dead):
        broken.append("a version lies beyond the last committed boundary")
    if len(boundaries.dead) > deaths:
        broken.append(f"{len(boundaries.dead)} boundaries of dead loads after {deaths} deaths")
    for endpoint in ENDPOINTS:
        versions: dict[tuple[Any, ...], list[tuple[datetime, datetime | None]]] = {}
        for row in _rows(connection, LANDING_SCHEMA, endpoint.name):
            key = tuple(row[name] for name in endpoint.key)
            versions.setdefault(key, []).append((row["_dlt_valid_from"], row["_dlt_valid_to"]))
        for key, intervals in versions.items():
            intervals.sort(key=lambda interval: interval[0])
            if any(closed is not None and closed <= opened for opened, closed in intervals):
                broken.append(f"{endpoint.name} {key}: a version ends before it begins")
            for (_, closed), (opened, _) in pairwise(intervals):
                if closed is None or closed > opened:
                    broken.append(f"{endpoint.name} {key}: two versions at the same time")
                elif closed != opened and boundaries.name(closed) == boundaries.name(opened):
                    # both fall on one day, so no crawl that committed can have missed the key
                    broken.append(f"{endpoint.name} {key}: a gap that no committed crawl saw")
    for (table,) in connection.execute(
        "select tablename from pg_tables where schemaname = 'raw_moovitamix_staging'"
        " and tablename not like '\\_dlt%'"
    ).fetchall():
        if _rows(connection, "raw_moovitamix_staging", table):
            broken.append(f"rows are left in the staging table {table}")
    return broken


def differences(actual: Canonical, expected: Canonical) -> list[str]:
    """The first rows that differ, by table; nothing when both say the same."""
    found = []
    for table in sorted({*actual, *expected}):
        ours, theirs = set(actual.get(table, [])), set(expected.get(table, []))
        for label, rows in (("only here", ours - theirs), ("missing", theirs - ours)):
            if rows:
                example = sorted(rows)[0]
                found.append(f"{table}: {len(rows)} rows {label}, as {example[:400]}")
        if ours == theirs and len(actual.get(table, [])) != len(expected.get(table, [])):
            found.append(f"{table}: {len(actual[table])} rows, not {len(expected[table])}")
    return found


def fingerprint(canonical: Canonical) -> str:
    """One hash of everything."""
    content = repr(sorted((table, list(rows)) for table, rows in canonical.items()))
    return hashlib.sha256(content.encode()).hexdigest()


def _rows(connection: psycopg.Connection, schema: str, table: str) -> list[dict[str, Any]]:
    cursor = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, table)))
    names = [column.name for column in cursor.description or ()]
    return [
        {
            name: _utc(value) if isinstance(value, datetime) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    ]


def _canonical_row(row: dict[str, Any], boundaries: Boundaries) -> str:
    return repr(
        [
            (name, _canonical_value(value, boundaries))
            for name, value in sorted(row.items())
            if name not in _BOOKKEEPING
        ]
    )


def _canonical_value(value: Any, boundaries: Boundaries) -> str:
    if isinstance(value, datetime):
        return boundaries.name(value)
    if isinstance(value, float | Decimal):
        # sums of floats depend on the order in which a query meets its rows
        return f"{value:.9g}"
    return str(value)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _exists(connection: psycopg.Connection, table: str) -> bool:
    row = connection.execute(
        "select to_regclass(%s) is not null", (f"{LANDING_SCHEMA}.{table}",)
    ).fetchone()
    return bool(row and row[0])
