"""Runs every check, on one snapshot of the warehouse.

In: settings. Out: findings in the order that a person reads them. A check that cannot be
made is itself a finding. What dbt's tests and the rules of schema `health` know, they are asked
for; looked at here is what they cannot see: the source as it answers now, landing that is not
built yet, and what was damaged since the build.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from ingestion.sources.moovitamix import ENDPOINTS
from operations.checks.check_result import CheckResult, CheckStatus
from operations.checks.columns import check_columns
from operations.checks.crawls import (
    check_clocks,
    check_conservation,
    check_loads,
    read_crawls,
)
from operations.checks.erasures import check_erasures
from operations.checks.health import check_health
from operations.checks.marts import check_marts
from operations.checks.rejections import OpenRejection, check_rejections, read_open_rejections
from operations.checks.source import check_source
from operations.checks.versions import check_versions
from warehouse.database import connect
from warehouse.errors import DatabaseError
from warehouse.foreign_code import refuse_foreign_code
from warehouse.settings import Settings


@dataclass
class SanityReport:
    """What the checks found; filled check by check.

    Attributes:
        findings: In the order that a person reads them.
        rejections: Records that are in quarantine.
    """

    findings: list[CheckResult] = field(default_factory=list)
    rejections: list[OpenRejection] = field(default_factory=list)

    def count(self, status: CheckStatus) -> int:
        """How many findings are of a status."""
        return sum(finding.status is status for finding in self.findings)


def check_all(settings: Settings) -> SanityReport:
    """Checks source, landing and marts; changes nothing, raises nothing expected.

    Args:
        settings: Which source and warehouse.
    """
    report = SanityReport()
    landed: dict[str, int] = {}
    try:
        with connect(settings, "listenhouse check") as connection:
            refuse_foreign_code(connection)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            # a load that commits meanwhile must not look like a fault
            with connection.transaction():
                landed = _check_database(connection, report)
    except DatabaseError as error:
        report.findings.append(CheckResult("database", "", CheckStatus.WRONG, str(error)))
    except psycopg.Error as error:
        cause = str(error).strip().splitlines()[0]
        detail = f"cannot be checked further: {cause}"
        report.findings.append(CheckResult("database", "", CheckStatus.WRONG, detail))
    report.findings[:0] = check_source(settings, landed)
    return report


def _check_database(connection: psycopg.Connection, report: SanityReport) -> dict[str, int]:
    """Checks landing and marts; returns the records landed last, by endpoint."""
    columns = check_columns(connection)
    report.findings += columns
    # what lacks columns cannot be read further, and that is said already
    sound = [finding.subject for finding in columns if finding.status is not CheckStatus.WRONG]
    crawls = read_crawls(connection, sound)
    if crawls:
        there = {finding.subject for finding in columns}
        report.findings += [
            CheckResult("columns", endpoint.name, CheckStatus.WRONG, "the table is gone")
            for endpoint in ENDPOINTS
            if endpoint.name not in there
        ]
    report.findings += check_loads(connection, crawls, sound)
    report.findings += check_clocks(connection, sound)
    times = [*sound, *(["crawls"] if crawls else [])]
    for endpoint in ENDPOINTS:
        if endpoint.name in sound:
            report.findings += check_versions(connection, endpoint, times)
    if crawls:
        report.findings += [check_conservation(crawls, name) for name in sound]
    report.rejections += read_open_rejections(connection)
    report.findings += check_rejections(report.rejections)
    report.findings += check_erasures(connection)
    report.findings.append(check_marts(connection, crawls))
    report.findings += check_health(connection, crawls)
    if not crawls:
        return {}
    last = crawls[-1].figures
    return {name: figures.landed + figures.carried for name, figures in last.items()}
