"""Which alert is told to whom now, and which is not.

In: alerts with what was told of each, targets, the hour. Out: notices that are due, sent or
held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from monitoring.alerts.finding import Finding, Severity
from monitoring.alerts.targets import Target

RETRIED_FOR = timedelta(days=7)
"""How long after its end an alert can still be told: older ones are news to nobody."""


class NoticeKind(StrEnum):
    """What is told of an alert."""

    OPENED = "opened"
    RAISED = "raised"
    RECOVERED = "recovered"


class NoticeStatus(StrEnum):
    """What became of a notice."""

    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True)
class Telling:
    """One try to tell a target of an alert.

    Attributes:
        target: Name of the target.
        kind: What was told.
        severity: How bad the finding was then.
        attempt: Which try it was; of tries that failed only the last is kept.
        status: What became of it.
    """

    target: str
    kind: NoticeKind
    severity: Severity
    attempt: int
    status: NoticeStatus

    @property
    def is_try(self) -> bool:
        """Whether something was sent, rather than held."""
        return self.status is not NoticeStatus.HELD


@dataclass(frozen=True)
class NoticeOutcome:
    """What became of one message to one target.

    Attributes:
        target: Whom it was for.
        status: What became of it.
        error: Why it was not delivered.
    """

    target: str
    status: NoticeStatus
    error: str | None = None


@dataclass(frozen=True)
class Alert:
    """A finding, from when it was first seen until it is gone.

    Attributes:
        alert_id: Identifies it; the same finding later is another alert.
        finding: What is wrong, as it was last seen.
        opened_at: When it was first seen.
        closed_at: When it was seen to be gone.
        tellings: Who was told of it.
    """

    alert_id: UUID
    finding: Finding
    opened_at: datetime
    closed_at: datetime | None
    tellings: tuple[Telling, ...]


@dataclass(frozen=True)
class Notice:
    """Something to tell a target.

    Attributes:
        alert: Of what.
        kind: What is new about it.
        attempt: Counts the tries, this one included.
        was_told: Whether the target heard of the alert before.
        is_held: Whether it waits for the end of the quiet hours.
        was_held: Whether it waited before.
    """

    alert: Alert
    kind: NoticeKind
    attempt: int
    was_told: bool
    is_held: bool
    was_held: bool


def due_notices(alerts: Sequence[Alert], target: Target, *, is_quiet: bool) -> list[Notice]:
    """What a target has to be told, the worst first and recoveries last.

    Args:
        alerts: The open ones, and those closed of late; the same finding's in their order.
        target: Whom.
        is_quiet: Whether warnings wait now.
    """
    histories = [
        [telling for telling in alert.tellings if telling.target == target.name] for alert in alerts
    ]
    # of a finding that came back, and may be gone again, only the last time counts
    newest = {
        alert.finding.finding_key: alert
        for alert, history in zip(alerts, histories, strict=True)
        if history or alert.closed_at is None
    }
    notices = []
    for alert, history in zip(alerts, histories, strict=True):
        kind = _due_kind(alert, target, history)
        if kind is None or newest[alert.finding.finding_key] is not alert:
            continue
        same = [telling for telling in history if telling.kind is kind]
        notices.append(
            Notice(
                alert,
                kind,
                attempt=1 + max((telling.attempt for telling in same if telling.is_try), default=0),
                was_told=any(telling.status is NoticeStatus.DELIVERED for telling in history),
                is_held=is_quiet and alert.finding.severity is not Severity.CRITICAL,
                was_held=any(telling.status is NoticeStatus.HELD for telling in same),
            )
        )
    return sorted(
        notices,
        key=lambda notice: (
            notice.kind is NoticeKind.RECOVERED,
            -notice.alert.finding.severity.rank,
            notice.alert.opened_at,
        ),
    )


def _due_kind(alert: Alert, target: Target, history: Sequence[Telling]) -> NoticeKind | None:
    delivered = [telling for telling in history if telling.status is NoticeStatus.DELIVERED]
    told = [telling for telling in delivered if telling.kind is not NoticeKind.RECOVERED]
    finding = alert.finding
    if alert.closed_at is None or finding.is_event:
        # an event that is gone stays news for those to whom it was to be told
        if finding.severity not in target.tags or (alert.closed_at and not history):
            return None
        if not told:
            return NoticeKind.OPENED
        is_worse = all(telling.severity.rank < finding.severity.rank for telling in told)
        return NoticeKind.RAISED if is_worse else None
    if any(telling.kind is NoticeKind.RECOVERED for telling in delivered):
        return None
    # what was only held is over before it was worth a message; a try that failed was not
    was_tried = bool(told) or any(telling.status is NoticeStatus.FAILED for telling in history)
    return NoticeKind.RECOVERED if was_tried else None
