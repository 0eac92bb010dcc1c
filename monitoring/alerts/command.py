"""The commands of `listenhouse alerts`.

In: settings. Out: messages, lines on the terminal, and whether all went well.
"""

from __future__ import annotations

from datetime import UTC, datetime

import click
from psycopg import Connection
from rich import box
from rich.console import Console
from rich.table import Table

from monitoring.alerts.check import check
from monitoring.alerts.delivery import deliver
from monitoring.alerts.ledger import read_alerts
from monitoring.alerts.message import write_test
from monitoring.alerts.notices import Alert, NoticeStatus
from monitoring.alerts.report import (
    print_alerts,
    print_outcomes,
    print_report,
    print_table,
    print_warning,
    to_json,
)
from monitoring.alerts.summary import send_summary
from monitoring.alerts.targets import TAGS, read_targets
from monitoring.health_page.page import refresh_page
from warehouse.database import connect
from warehouse.errors import SettingsError
from warehouse.settings import Settings


def run_check(settings: Settings) -> bool:
    """Checks, tells, and shows it, here and on the health page.

    Args:
        settings: Which warehouse, and who is told.

    Returns:
        Whether everybody who had to be told was told.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    report = check(settings)
    if not report.was_judged:
        click.echo(
            "The warehouse was not built yet, so nothing can be judged: `listenhouse run` builds "
            "it."
        )
    elif not report.findings:
        click.echo("Nothing is wrong.")
    print_report(settings, report)
    refresh_page(settings)
    return not report.failures


def run_test(settings: Settings) -> bool:
    """Sends a test to each target, and shows what happened.

    Args:
        settings: Who is told.

    Returns:
        Whether it arrived everywhere.

    Raises:
        SettingsError: The configuration cannot be used.
    """
    _require_configuration(settings)
    targets = read_targets(settings)
    errors = []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "tags", "what happened"):
        table.add_column(heading, overflow="fold")
    # a dead server takes its time
    with Console(stderr=True).status("Sending tests"):
        for target in targets.all:
            error = deliver(target, write_test(settings, target.tags))
            errors.append(error)
            tags = ", ".join(tag for tag in TAGS if tag in target.tags)
            table.add_row(target.name, tags, error or "delivered")
    print_table(table)
    for tag in TAGS:
        if not targets.tagged(tag):
            click.echo(f"No target has the tag {tag}.")
    for problem in targets.problems:
        print_warning(problem)
    return not any(errors)


def run_summary(settings: Settings, days: int) -> bool:
    """Sends the summary, and shows who got it.

    Args:
        settings: Which warehouse, and who is told.
        days: How far back it looks.

    Returns:
        Whether it arrived everywhere.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    _require_configuration(settings)
    outcomes = send_summary(settings, days)
    print_outcomes(settings, outcomes)
    return all(outcome.status is NoticeStatus.DELIVERED for outcome in outcomes)


def list_alerts(settings: Settings, *, as_json: bool) -> None:
    """Shows the open alerts, and who was told of each.

    Args:
        settings: Which warehouse.
        as_json: For machines.

    Raises:
        DatabaseError: The warehouse cannot be reached.
    """
    with connect(settings, "listenhouse alerts list") as connection:
        alerts = _read_open(connection)
    if as_json:
        click.echo(to_json(alerts))
    else:
        print_alerts(alerts)


def _require_configuration(settings: Settings) -> None:
    if settings.alerts_config is None:
        raise SettingsError(
            "LISTENHOUSE_ALERTS_CONFIG is not set: name a file that says who is told "
            "(docs/monitoring.md has examples)."
        )


def _read_open(connection: Connection) -> list[Alert]:
    row = connection.execute("select to_regclass('ops.alert_deliveries') is not null").fetchone()
    if not row or not row[0]:
        return []
    return [alert for alert in read_alerts(connection, datetime.now(UTC)) if not alert.closed_at]
