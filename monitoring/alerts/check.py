"""A check: what is wrong, which findings are new to which recipient, and whether they arrived.

In: settings, and how a run ended. Out: messages sent and recorded, and a report.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from monitoring.alerts.delivery import deliver
from monitoring.alerts.finding import Finding, Severity, failed_run, read_findings
from monitoring.alerts.ledger import hold_check_lock, read_alerts, record, renew_alerts
from monitoring.alerts.message import write_message, write_unrecorded
from monitoring.alerts.notices import Notice, NoticeOutcome, NoticeStatus, due_notices
from monitoring.alerts.targets import Target, Targets, read_targets
from warehouse.database import connect, describe
from warehouse.errors import DatabaseError
from warehouse.ops.tables import create_tables
from warehouse.settings import Settings


@dataclass(frozen=True)
class CheckReport:
    """What a check found and did.

    Attributes:
        findings: What is wrong now, the worst first.
        recovered: What is no longer wrong.
        outcomes: What became of each message.
        problems: Sentences on what in the configuration keeps people from being told.
        was_judged: Whether the warehouse could say what is wrong.
    """

    findings: Sequence[Finding]
    recovered: Sequence[Finding]
    outcomes: Sequence[NoticeOutcome]
    problems: Sequence[str]
    was_judged: bool

    @property
    def failures(self) -> list[NoticeOutcome]:
        """Messages that did not arrive."""
        return [outcome for outcome in self.outcomes if outcome.status is NoticeStatus.FAILED]


def check(
    settings: Settings, *, failure: BaseException | None = None, now: datetime | None = None
) -> CheckReport:
    """Tells each target what is news to it.

    Args:
        settings: Which warehouse, and who is told.
        failure: What ended the run that this check follows, if it failed.
        now: The time, instead of that of the clock.

    Returns:
        What was found, and what was told to whom.

    Raises:
        BusyError: Another check takes too long.
        DatabaseError: The database cannot be reached.
        SettingsError: The configuration of the targets cannot be used.
    """
    now = now or datetime.now(UTC)
    is_quiet = settings.quiet_hours is not None and settings.quiet_hours.cover(now)
    targets = read_targets(settings)
    with _connection(settings) as connection, hold_check_lock(connection):
        create_tables(connection)
        read = read_findings(connection)
        findings = list(read or ())
        is_known = any(finding.is_failed_run for finding in findings)
        if failure and not is_known and (read is None or not _is_recorded(connection)):
            # where there is something that judges, the run could not be recorded: that it is
            # missing at the next look does not say that it is over
            findings.insert(0, failed_run(failure, is_event=read is not None))
        recovered = renew_alerts(connection, findings, now, is_complete=read is not None)
        alerts = read_alerts(connection, now)
        outcomes: list[NoticeOutcome] = []
        for target in targets.all:
            notices = due_notices(alerts, target, is_quiet=is_quiet)
            outcomes += _tell(settings, connection, target, notices, now)
    return CheckReport(
        findings,
        recovered,
        outcomes,
        [*targets.problems, *_untold(settings, targets, findings)],
        was_judged=read is not None,
    )


def tell_unrecorded(settings: Settings, failure: BaseException) -> list[NoticeOutcome]:
    """Tells of a run that failed where no database can be asked who was told before.

    Args:
        settings: Who is told.
        failure: What ended the run.

    Returns:
        What became of each message.

    Raises:
        SettingsError: The configuration of the targets cannot be used.
    """
    message = write_unrecorded(settings, failed_run(failure, is_event=True))
    return [
        _outcome(target, deliver(target, message))
        for target in read_targets(settings).tagged(Severity.CRITICAL)
    ]


@contextmanager
def _connection(settings: Settings) -> Iterator[psycopg.Connection]:
    try:
        with connect(settings, "listenhouse alerts") as connection:
            yield connection
    except psycopg.Error as error:
        cause = str(error).strip().split("\n")[0].rstrip(".")
        raise DatabaseError(
            f"The PostgreSQL at {describe(settings)} failed a check of the alerts ({cause}): mend "
            "the cause, the next check tells what this one could not."
        ) from error


def _is_recorded(connection: psycopg.Connection) -> bool:
    """Whether the last run of this process is recorded as failed, so that the rule judges it."""
    row = connection.execute(
        """
        select status = 'failed' from ops.runs
        where host = %s and pid = %s
        order by started_at desc
        limit 1
        """,
        (socket.gethostname(), os.getpid()),
    ).fetchone()
    return bool(row and row[0])


def _tell(
    settings: Settings,
    connection: psycopg.Connection,
    target: Target,
    notices: Sequence[Notice],
    now: datetime,
) -> Iterator[NoticeOutcome]:
    held = [notice for notice in notices if notice.is_held]
    if held:
        # once each, however many checks the quiet hours see
        new = [notice for notice in held if not notice.was_held]
        outcome = NoticeOutcome(target.name, NoticeStatus.HELD)
        record(connection, new, outcome, now)
        yield outcome
    ready = [notice for notice in notices if not notice.is_held]
    if ready:
        outcome = _outcome(target, deliver(target, write_message(settings, ready)))
        record(connection, ready, outcome, now)
        yield outcome


def _outcome(target: Target, error: str | None) -> NoticeOutcome:
    return NoticeOutcome(
        target.name, NoticeStatus.FAILED if error else NoticeStatus.DELIVERED, error
    )


def _untold(settings: Settings, targets: Targets, findings: Sequence[Finding]) -> Iterator[str]:
    for severity in sorted({finding.severity for finding in findings}):
        if targets.all and not targets.tagged(severity):
            yield (
                f"{settings.alerts_config}: no target has the tag {severity}, so findings of "
                f"severity {severity} are not sent."
            )
