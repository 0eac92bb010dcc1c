"""Is anybody half forgotten?

In: the tombstones of each source. Out: a finding where an erasure was cut short; nothing else.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.crawl_ledger import table_exists
from ingestion.tombstones import ERASURES
from warehouse.checks.finding import Finding, Status, counted
from warehouse.erasure import SOURCES


def check_erasures(connection: psycopg.Connection) -> list[Finding]:
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
            findings.append(Finding(ERASURES, source.name, Status.WRONG, detail, {"open": row[0]}))
    return findings
