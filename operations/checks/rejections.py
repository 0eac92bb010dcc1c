"""Which records are in quarantine and not mended yet?

In: `rejected_records`. Out: counts, and a list; never what a record says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from ingestion.sources.moovitamix import LANDING_SCHEMA
from operations.checks.check_result import CheckResult, CheckStatus, counted
from warehouse.database import table_exists

_CHECK = "rejected"


@dataclass(frozen=True)
class OpenRejection:
    """A record that is still served and still does not fit.

    Attributes:
        endpoint: Where it is served.
        reason: What is wrong with it; never quotes its values.
        first_seen_at: The first crawl that met it.
        last_seen_at: The last one.
        record_hash: Finds it in `rejected_records`.
    """

    endpoint: str
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime
    record_hash: str


def read_open_rejections(connection: psycopg.Connection) -> list[OpenRejection]:
    """Lists the open rejections by endpoint, oldest first.

    Args:
        connection: Connection to the warehouse.
    """
    if not table_exists(connection, LANDING_SCHEMA, "rejected_records"):
        return []
    rows = connection.execute(
        sql.SQL(
            """
            select endpoint, reason, first_seen_at, last_seen_at, record_hash
            from {} where resolved_at is null
            order by endpoint, first_seen_at, record_hash
            """
        ).format(sql.Identifier(LANDING_SCHEMA, "rejected_records"))
    )
    return [OpenRejection(*row) for row in rows]


def check_rejections(rejections: list[OpenRejection]) -> list[CheckResult]:
    """Counts the open rejections by endpoint and reason.

    Args:
        rejections: The open ones.
    """
    if not rejections:
        return [
            CheckResult(_CHECK, "", CheckStatus.OK, "no record is in quarantine", {"records": 0})
        ]
    counts: dict[tuple[str, str], int] = {}
    for rejection in rejections:
        group = (rejection.endpoint, rejection.reason)
        counts[group] = counts.get(group, 0) + 1
    return [
        CheckResult(
            _CHECK,
            endpoint,
            CheckStatus.NOTE,
            f"{counted(count, 'record')} in quarantine: {reason}",
            {"records": count, "reason": reason},
        )
        for (endpoint, reason), count in sorted(counts.items())
    ]
