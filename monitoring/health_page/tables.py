"""The tables of the health page: what stands in their rows.

In: a `HealthData`. Out: rows by their label, with a cell per endpoint or table of landing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from monitoring import wording
from monitoring.health_page.data import HealthData, Outcomes, Quality

_ENDPOINTS = ("users", "tracks", "listen_history")

MEASURES = {
    "distinct_keys": "records",
    "duplicates": "identical duplicates",
    "open_rejections": "in quarantine",
    "orphan_users": "named by listens only",
    "orphan_tracks": "named by listens only",
}
"""Measures of a table's quality in the order of the page, and what they are called there."""


@dataclass(frozen=True)
class NullColumn:
    """A column in which the last crawl found nulls."""

    table_name: str
    column_name: str
    null_count: int
    share: float | None


def in_order(names: Collection[str]) -> list[str]:
    """Endpoints and tables in the order of the page, those that it does not know last."""
    known = [name for name in _ENDPOINTS if name in names]
    return known + sorted(set(names).difference(known))


def columns_of(rows: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Columns of a table, whose cells are by row and column."""
    return in_order({column for row in rows.values() for column in row})


def list_outcomes(data: HealthData) -> dict[str, dict[str, Outcomes]]:
    """Outcomes of requests by their name and endpoint, answers first."""
    rows: dict[str, dict[str, Outcomes]] = {}
    for each in sorted(data.outcomes, key=lambda each: (each.kind != "status", each.outcome)):
        label = each.outcome if each.kind == "status" else f"tried again after {each.outcome}"
        rows.setdefault(label, {})[each.endpoint] = each
    return rows


def list_quality(data: HealthData) -> dict[str, dict[str, Quality]]:
    """Measures of quality by their name and table."""
    rows: dict[str, dict[str, Quality]] = {}
    for measure, label in MEASURES.items():
        for each in data.quality:
            if each.measure == measure:
                rows.setdefault(label, {})[each.table_name] = each
    return rows


def change_since(quality: Quality) -> str:
    """By how much a measure changed since the crawl before: `+12`, or nothing."""
    if quality.value is None or quality.previous_value in {None, quality.value}:
        return ""
    change = quality.value - (quality.previous_value or 0)
    return f"{'+' if change > 0 else wording.MINUS}{wording.number(abs(change))}"


def crawl_delays(data: HealthData) -> dict[str, float | None]:
    """How long the last crawl took to be landed and to be in the marts, by measure."""
    return {each.measure: each.value for each in data.quality if each.table_name == "crawls"}


def list_null_columns(data: HealthData) -> list[NullColumn]:
    """Columns with nulls, those with most first."""
    keys = {each.table_name: each.value for each in data.quality if each.measure == "distinct_keys"}
    columns = []
    for each in data.quality:
        if each.measure == "nulls" and each.value:
            total = keys.get(each.table_name)
            share = each.value / total if total else None
            columns.append(NullColumn(each.table_name, each.detail, int(each.value), share))
    return sorted(columns, key=lambda column: -column.null_count)
