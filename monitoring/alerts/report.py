"""What a person sees of alerts: what is wrong, who was told, who could not be.

In: the report of a check, open alerts, tests of targets. Out: lines on the terminal, or JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich import box
from rich.console import Console
from rich.table import Table

from monitoring.alerts.check import CheckReport
from monitoring.alerts.message import describe_moment
from monitoring.alerts.notices import Alert, NoticeOutcome, NoticeStatus
from warehouse.settings import Settings


def print_report(settings: Settings, report: CheckReport) -> None:
    """Prints what a check found and did; nothing where all is well and nobody had to be told.

    Args:
        settings: Who is told, and when not.
        report: What the check says.
    """
    if report.findings:
        count = len(report.findings)
        click.echo(f"\n{count} finding{'s' if count > 1 else ''}:")
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        for finding in report.findings:
            table.add_row(finding.severity, f"{finding.message}\n{finding.next_step}")
        print_table(table)
    for finding in report.recovered:
        click.echo(f"Recovered: {finding.headline}")
    if report.findings and settings.alerts_config is None:
        click.echo("No alert is sent: LISTENHOUSE_ALERTS_CONFIG names no file with targets.")
    print_outcomes(settings, report.outcomes)
    for problem in report.problems:
        print_warning(problem)


def print_outcomes(settings: Settings, outcomes: Sequence[NoticeOutcome]) -> None:
    """Prints what became of messages, a line per kind.

    Args:
        settings: When warnings wait.
        outcomes: What became of each message.
    """

    def name(status: NoticeStatus) -> str:
        return ", ".join(outcome.target for outcome in outcomes if outcome.status is status)

    if delivered := name(NoticeStatus.DELIVERED):
        click.echo(f"Told: {delivered}.")
    if held := name(NoticeStatus.HELD):
        click.echo(
            f"Warnings wait for a check after the quiet hours ({settings.quiet_hours}): {held}."
        )
    for outcome in outcomes:
        if outcome.status is NoticeStatus.FAILED:
            print_warning(f"{outcome.target} could not be told: {outcome.error}.")


def print_warning(text: str) -> None:
    """Prints a warning on standard error, which schedulers keep."""
    click.echo(f"Warning: {text}", err=True)


def print_table(table: Table) -> None:
    """Prints a table in which nothing is taken for markup."""
    Console(highlight=False, markup=False).print(table)


def print_alerts(alerts: Sequence[Alert]) -> None:
    """Prints open alerts, and who was told.

    Args:
        alerts: The open ones.
    """
    if not alerts:
        click.echo("No alert is open.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("open since", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("what is wrong, and what to do")
    table.add_column("told", overflow="fold")
    for alert in alerts:
        told = [
            target if status is NoticeStatus.DELIVERED else f"{target}: {status}"
            for target, status in _last_status(alert).items()
        ]
        table.add_row(
            describe_moment(alert.opened_at),
            alert.finding.severity,
            f"{alert.finding.message}\n{alert.finding.next_step}",
            "\n".join(told) or "nobody",
        )
    print_table(table)


def to_json(alerts: Sequence[Alert]) -> str:
    """Open alerts for machines.

    Args:
        alerts: The open ones.
    """
    described = [
        {
            "alert_id": alert.alert_id,
            **asdict(alert.finding),
            "opened_at": alert.opened_at,
            "targets": _last_status(alert),
        }
        for alert in alerts
    ]
    return json.dumps(described, default=str, indent=2)


def _last_status(alert: Alert) -> dict[str, NoticeStatus]:
    return {telling.target: telling.status for telling in alert.tellings}
