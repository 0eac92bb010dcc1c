"""What was found and who was told of it, kept in `ops.alerts` and `ops.alert_deliveries`.

In: findings, and what became of each notice. Out: alerts with their history. Only one check at
a time may do so: see `hold_check_lock`.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from monitoring.alerts.finding import Finding, Severity, from_row
from monitoring.alerts.notices import (
    RETRIED_FOR,
    Alert,
    Notice,
    NoticeKind,
    NoticeOutcome,
    NoticeStatus,
    Telling,
)
from warehouse.errors import BusyError
from warehouse.session_lock import CHECK_LOCK, Holder, take

_LOOK_SECONDS = 0.2
"""Between two looks at whether another check is over."""

_OPEN_OR_RENEW = """
    insert into ops.alerts (
        alert_id, finding_key, rule_name, subject, severity, message, next_step, run_id,
        is_event, found_at, opened_at
    )
    values (
        %(alert_id)s, %(finding_key)s, %(rule_name)s, %(subject)s, %(severity)s, %(message)s,
        %(next_step)s, %(run_id)s, %(is_event)s, %(found_at)s, %(opened_at)s
    )
    on conflict (finding_key) where closed_at is null do update set
        severity = excluded.severity,
        message = excluded.message,
        next_step = excluded.next_step,
        run_id = excluded.run_id,
        is_event = excluded.is_event
"""

# a target that is dead for weeks leaves one row per notice, not one per check
_FORGET_EARLIER_FAILURES = """
    delete from ops.alert_deliveries
    where
        alert_id = %(alert_id)s
        and target = %(target)s
        and notice = %(notice)s
        and status = 'failed'
"""

_RECORD = """
    insert into ops.alert_deliveries (
        alert_id, target, notice, severity, attempt, status, error, recorded_at
    )
    values (
        %(alert_id)s, %(target)s, %(notice)s, %(severity)s, %(attempt)s, %(status)s, %(error)s,
        %(recorded_at)s
    )
"""


@contextmanager
def hold_check_lock(
    connection: psycopg.Connection, longest_wait_seconds: int = 120
) -> Iterator[None]:
    """Keeps other checks out, so that nothing is told twice.

    Args:
        connection: Holds the lock while the block runs.
        longest_wait_seconds: Waits so long for a check that is under way.

    Raises:
        BusyError: That check takes longer.
    """
    deadline = time.monotonic() + longest_wait_seconds
    while isinstance(lock := take(connection, CHECK_LOCK), Holder):
        if time.monotonic() > deadline:
            raise BusyError(
                f"Another check of the alerts is under way for long ({lock}), perhaps as a target "
                "does not answer: the next check tells what is news."
            )
        time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            lock.release()


def renew_alerts(
    connection: psycopg.Connection, findings: Sequence[Finding], now: datetime, *, is_complete: bool
) -> list[Finding]:
    """Opens an alert for each finding that has none, and closes those whose finding is gone.

    Args:
        connection: To the warehouse.
        findings: What is wrong now.
        now: When that was read.
        is_complete: Whether that is all; nothing is closed otherwise.

    Returns:
        The findings that are gone, but for events, which do not recover.
    """
    with connection.transaction():
        connection.cursor().executemany(
            _OPEN_OR_RENEW,
            [
                asdict(finding) | {"alert_id": uuid.uuid4(), "opened_at": now}
                for finding in findings
            ],
        )
        if not is_complete:
            return []
        gone = connection.cursor(row_factory=dict_row).execute(
            """
            update ops.alerts set closed_at = %s
            where closed_at is null and finding_key <> all(%s)
            returning *
            """,
            (now, [finding.finding_key for finding in findings]),
        )
        return [finding for row in gone if not (finding := _finding_of(row)).is_event]


def read_alerts(connection: psycopg.Connection, now: datetime) -> list[Alert]:
    """Reads the alerts that are open, and those of late that somebody may have to be told of.

    Args:
        connection: To the warehouse.
        now: The time.
    """
    rows = connection.cursor(row_factory=dict_row)
    rows.execute(
        """
        select * from ops.alerts
        where closed_at is null or closed_at > %s
        order by opened_at, finding_key
        """,
        (now - RETRIED_FOR,),
    )
    alerts = rows.fetchall()
    tellings: dict[UUID, list[Telling]] = defaultdict(list)
    for alert_id, target, notice, severity, attempt, status in connection.execute(
        """
        select alert_id, target, notice, severity, attempt, status
        from ops.alert_deliveries
        where alert_id = any(%s)
        order by recorded_at
        """,
        ([alert["alert_id"] for alert in alerts],),
    ):
        tellings[alert_id].append(
            Telling(target, NoticeKind(notice), Severity(severity), attempt, NoticeStatus(status))
        )
    return [
        Alert(
            alert["alert_id"],
            _finding_of(alert),
            alert["opened_at"],
            alert["closed_at"],
            tuple(tellings[alert["alert_id"]]),
        )
        for alert in alerts
    ]


def record(
    connection: psycopg.Connection, notices: Sequence[Notice], outcome: NoticeOutcome, now: datetime
) -> None:
    """Records what became of notices.

    Args:
        connection: To the warehouse.
        notices: Those that went, or wait, together.
        outcome: What became of them.
        now: When.
    """
    rows = [
        {
            "alert_id": notice.alert.alert_id,
            "target": outcome.target,
            "notice": notice.kind,
            "severity": notice.alert.finding.severity,
            "attempt": notice.attempt,
            "status": outcome.status,
            "error": outcome.error,
            "recorded_at": now,
        }
        for notice in notices
    ]
    with connection.transaction():
        if outcome.status is NoticeStatus.FAILED:
            connection.cursor().executemany(_FORGET_EARLIER_FAILURES, rows)
        connection.cursor().executemany(_RECORD, rows)


def record_summary(connection: psycopg.Connection, outcome: NoticeOutcome, now: datetime) -> None:
    """Records what became of a summary.

    Args:
        connection: To the warehouse.
        outcome: What became of it.
        now: When.
    """
    connection.execute(
        """
        insert into ops.alert_deliveries (target, notice, attempt, status, error, recorded_at)
        values (%s, 'summary', 1, %s, %s, %s)
        """,
        (outcome.target, outcome.status, outcome.error, now),
    )


def _finding_of(row: dict[str, Any]) -> Finding:
    return from_row(**{field.name: row[field.name] for field in fields(Finding)})
