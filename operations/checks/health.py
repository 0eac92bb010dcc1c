"""What do dbt's tests and the rules of the warehouse know to be wrong?

In: `health.rpt_findings`, `health.fct_dbt_results` and `health.fct_data_quality`. Out: their
findings about the data, and what they were as of. Thresholds, severities and the arithmetic are
theirs: nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg

from operations.checks.check_result import CheckResult, CheckStatus, Figures, counted
from operations.checks.crawls import LandedCrawl

_VIEWS = ("rpt_findings", "fct_dbt_results", "fct_data_quality")

_CHECKS = {
    "conservation_broken": "conservation",
    "orphans": "references",
    "data_stale": "freshness",
    "run_missed": "freshness",
    "test_failed": "tests",
    "test_warned": "tests",
    "not_published": "marts",
}
"""The rules that judge the data, and the check that each belongs to. The others judge runs."""

_STATUSES = {"critical": CheckStatus.WRONG, "warning": CheckStatus.NOTE}


def check_health(
    connection: psycopg.Connection, crawls: Sequence[LandedCrawl]
) -> list[CheckResult]:
    """Takes the findings of the rules over, and says what was found to be well.

    Args:
        connection: Connection to the warehouse.
        crawls: The committed crawls, oldest first.
    """
    views = connection.execute(
        "select from pg_views where schemaname = 'health' and viewname = any(%s)", (list(_VIEWS),)
    )
    if views.rowcount < len(_VIEWS):
        detail = "not built yet, so references, freshness and tests are not judged: `dbt build`"
        return [CheckResult("health", "", CheckStatus.NOTE, detail)]
    findings = [
        CheckResult(
            _CHECKS[rule],
            subject,
            _STATUSES[severity],
            f"{message.rstrip('.')}, since {found_at:%F %T} UTC",
            {"rule": rule, "since": found_at.isoformat(), "next_step": next_step},
        )
        for rule, subject, severity, message, next_step, found_at in connection.execute(
            """
            select rule_name, subject, severity, message, next_step, found_at
            from health.rpt_findings where rule_name = any(%s)
            order by array_position(%s, rule_name), found_at, subject
            """,
            (list(_CHECKS), list(_CHECKS)),
        )
    ]
    found = {(finding.check, finding.subject) for finding in findings}
    orphans = _count_orphans(connection)
    findings += [count for count in orphans if (count.check, count.subject) not in found]
    if crawls and "freshness" not in {check for check, _ in found}:
        findings.append(_describe_age(crawls[-1]))
    return [*findings, _describe_tests(connection)]


def _count_orphans(connection: psycopg.Connection) -> list[CheckResult]:
    """The source promises no foreign key, so a few users and tracks without a record are a note."""
    rows = connection.execute(
        """
        select table_name, value, boundary_at from health.fct_data_quality
        where measure in ('orphan_users', 'orphan_tracks')
        order by boundary_at desc, table_name desc limit 2
        """
    )
    return [
        CheckResult(
            "references",
            table,
            CheckStatus.NOTE if orphans else CheckStatus.OK,
            f"listens refer to {counted(int(orphans), table[:-1])} without a record, as of the "
            f"crawl at {boundary:%F %T} UTC",
            {"orphans": int(orphans), "boundary_at": boundary.isoformat()},
        )
        for table, orphans, boundary in rows
    ]


def _describe_age(crawl: LandedCrawl) -> CheckResult:
    seconds = (datetime.now(UTC) - crawl.committed_at).total_seconds()
    figures: Figures = {
        "committed_at": crawl.committed_at.isoformat(),
        "age_seconds": round(seconds),
    }
    detail = f"the last crawl was committed {seconds / 3600:.1f} hours ago"
    return CheckResult("freshness", "crawls", CheckStatus.OK, detail, figures)


def _describe_tests(connection: psycopg.Connection) -> CheckResult:
    """Says as of when the tests are known; which of them do not pass, the rules say."""
    row = connection.execute(
        """
        select run_at, count(*) filter (where status = 'pass'), count(*)
        from health.fct_dbt_results
        where resource_type in ('test', 'unit_test')
        group by run_at order by run_at desc limit 1
        """
    ).fetchone()
    if not row:
        detail = "none is recorded: `listenhouse run` records what dbt's tests find"
        return CheckResult("tests", "", CheckStatus.NOTE, detail, {"passed": 0, "tests": 0})
    run_at, passed, tests = row
    return CheckResult(
        "tests",
        "",
        CheckStatus.OK if passed == tests else CheckStatus.NOTE,
        f"{passed:,} of {counted(tests, 'test')} passed in the last recorded build, at "
        f"{run_at:%F %T} UTC",
        {"passed": passed, "tests": tests, "run_at": run_at.isoformat()},
    )
