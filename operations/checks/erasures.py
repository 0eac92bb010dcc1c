"""Is anybody half forgotten?

In: the tombstones of each source. Out: a finding where an erasure was cut short; nothing else.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.landing.tombstones import ERASURES
from ingestion.sources.catalogue import SOURCES
from operations.checks.check_result import CheckResult, CheckStatus, counted
from warehouse.database import table_exists


def check_erasures(connection: psycopg.Connection) -> list[CheckResult]:
    """Looks for erasures that are not completed.

    Args:
        connection: Connection to the warehouse.
    """
    findings = []
    for source in SOURCES.values():
        if not table_exists(connection, source.schema, ERASURES):
            continue
        row = connection.execute(
            sql.SQL("select count(*) from {} where completed_at is null").format(
                sql.Identifier(source.schema, ERASURES)
            )
        ).fetchone()
        if row and row[0]:
            detail = (
                f"{counted(row[0], 'person', 'people')} of {source.name} not forgotten to the end: "
                "run `listenhouse forget` for them again"
            )
            findings.append(
                CheckResult(ERASURES, source.name, CheckStatus.WRONG, detail, {"open": row[0]})
            )
    return findings
