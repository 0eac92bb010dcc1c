"""What is wrong now, as `health.rpt_findings` says it.

In: a connection, or the error that ended a run. Out: findings.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import kwargs_row

from warehouse.errors import ListenhouseError, Termination
from warehouse.redaction import without_values

_RUN_FAILED = "run_failed"
_MAX_HEADLINE_LENGTH = 160

_FINDINGS = """
    select
        finding_key,
        rule_name,
        subject,
        severity,
        message,
        next_step,
        run_id,
        found_at at time zone 'UTC' as found_at,
        is_event
    from health.rpt_findings
"""


class Severity(StrEnum):
    """How bad a finding is; also the tag of the targets that are told of it."""

    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The worse, the higher."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong now.

    Attributes:
        finding_key: The same for the same thing at every look.
        rule_name: Which rule found it.
        subject: What it found it on.
        severity: How bad it is.
        message: A sentence for people.
        next_step: What to do next.
        run_id: The run that it is about, if it is about one.
        found_at: Since when, as far as known.
        is_event: Whether it happened once, so that nothing recovers.
    """

    finding_key: str
    rule_name: str
    subject: str
    severity: Severity
    message: str
    next_step: str
    run_id: UUID | None
    found_at: datetime | None
    is_event: bool

    @property
    def headline(self) -> str:
        """The message in a line, for what is over."""
        return textwrap.shorten(self.message, _MAX_HEADLINE_LENGTH, placeholder=" …")

    @property
    def is_failed_run(self) -> bool:
        """Whether it is that a run failed."""
        return self.rule_name == _RUN_FAILED


def from_row(**row: Any) -> Finding:
    """A finding as a table has it."""
    return Finding(**row | {"severity": Severity(row["severity"])})


def read_findings(connection: psycopg.Connection) -> list[Finding] | None:
    """Reads what is wrong now, the worst first.

    Args:
        connection: To the warehouse.

    Returns:
        The findings; None where the warehouse was never built, so that nothing can be judged.
    """
    row = connection.execute("select to_regclass('health.rpt_findings') is not null").fetchone()
    if not row or not row[0]:
        return None
    findings = connection.cursor(row_factory=kwargs_row(from_row)).execute(_FINDINGS).fetchall()
    return sorted(findings, key=lambda finding: (-finding.severity.rank, finding.finding_key))


def failed_run(error: BaseException, *, is_event: bool) -> Finding:
    """The finding that a run makes of its own failure, where the warehouse cannot say it.

    Args:
        error: What ended the run.
        is_event: Whether the next look will not see whether it is over.
    """
    if isinstance(error, ListenhouseError):
        cause = without_values(str(error))
    elif isinstance(error, Termination):
        cause = "ended by SIGTERM"
    else:
        # what nobody foresaw can quote anything, a name too
        cause = f"an unexpected {type(error).__name__}"
    return Finding(
        finding_key=f"{_RUN_FAILED}|run",
        rule_name=_RUN_FAILED,
        subject="run",
        severity=Severity.CRITICAL,
        message=f"listenhouse run failed: {cause}",
        next_step="Fix the cause and run `listenhouse run` again.",
        run_id=None,
        found_at=datetime.now(UTC),
        is_event=is_event,
    )
