"""Do the marts show the crawls that landing holds?

In: what dbt built last, and `crawls`. Out: one finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from operations.checks.check_result import CheckResult, CheckStatus, counted
from operations.checks.crawls import LandedCrawl
from warehouse.database import table_exists

_CHECK = "marts"


def check_marts(connection: psycopg.Connection, crawls: Sequence[LandedCrawl]) -> CheckResult:
    """Compares the crawls that the marts were built from with those that landing holds.

    Args:
        connection: Connection to the warehouse.
        crawls: The committed crawls, oldest first.
    """
    if not table_exists(connection, "staging", "base_crawls__committed"):
        return CheckResult(_CHECK, "", CheckStatus.NOTE, "not built yet: `dbt build`")
    built = {
        row[0] for row in connection.execute("select crawl_id from staging.base_crawls__committed")
    }
    landed = {crawl.crawl_id for crawl in crawls}
    figures = {"withdrawn": len(built - landed), "missing": len(landed - built)}
    if built - landed:
        detail = (
            f"built from {counted(len(built - landed), 'crawl')} that landing no longer holds: "
            "`dbt build`"
        )
        return CheckResult(_CHECK, "", CheckStatus.WRONG, detail, figures)
    if landed - built:
        detail = f"{counted(len(landed - built), 'crawl')} behind landing: `dbt build`"
        return CheckResult(_CHECK, "", CheckStatus.WRONG, detail, figures)
    if _fact_is_ahead(connection):
        detail = "fct_listens holds changes later than the last crawl: `dbt build`"
        return CheckResult(_CHECK, "", CheckStatus.WRONG, detail, figures)
    return CheckResult(_CHECK, "", CheckStatus.OK, "built as of the last crawl", figures)


def _fact_is_ahead(connection: psycopg.Connection) -> bool:
    """Whether people still read a crawl that was withdrawn.

    A build since then died, was of a part, or was not published: dbt's tests read the candidates.
    """
    if not table_exists(connection, "marts", "fct_listens"):
        return False
    row = connection.execute(
        """
        select
            (select max(record_changed_at) from marts.fct_listens)
            > (select max(boundary_at) from staging.base_crawls__committed)
        """
    ).fetchone()
    return bool(row and row[0])
