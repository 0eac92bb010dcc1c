"""How the findings look: a table for a person, JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operations.checks.check_result import CheckStatus, counted
from operations.checks.rejections import OpenRejection
from operations.checks.sanity_check import SanityReport

_STYLES = {CheckStatus.OK: "green", CheckStatus.NOTE: "yellow", CheckStatus.WRONG: "bold red"}


def print_report(report: SanityReport, *, list_rejections: bool) -> None:
    """Prints the findings, what they come to, and the records in quarantine.

    Args:
        report: What was found.
        list_rejections: Whether to list every record in quarantine.
    """
    console = Console(highlight=False)
    table = Table("check", "of", "", "finding", box=box.SIMPLE_HEAD, pad_edge=False)
    for finding in report.findings:
        style = _STYLES[finding.status]
        table.add_row(
            finding.check,
            finding.subject,
            f"[{style}]{finding.status}[/]",
            escape(finding.detail),
        )
    console.print(table)
    if list_rejections and report.rejections:
        console.print(_rejection_table(report.rejections))
    wrong, notes = report.count(CheckStatus.WRONG), report.count(CheckStatus.NOTE)
    console.print(
        f"{counted(wrong, 'thing') if wrong else 'Nothing'} wrong, {counted(notes, 'note')}."
        + (
            " `listenhouse check --rejected` lists the records in quarantine."
            if report.rejections and not list_rejections
            else ""
        )
    )


def to_json(report: SanityReport, *, list_rejections: bool) -> str:
    """The findings as one JSON object.

    Args:
        report: What was found.
        list_rejections: Whether to list every record in quarantine.
    """
    content = {
        "checked_at": datetime.now(UTC).isoformat(),
        "wrong": report.count(CheckStatus.WRONG),
        "notes": report.count(CheckStatus.NOTE),
        "findings": [asdict(finding) for finding in report.findings],
    }
    if list_rejections:
        content["rejected"] = [asdict(rejection) for rejection in report.rejections]
    return json.dumps(content, indent=2, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _rejection_table(rejections: list[OpenRejection]) -> Table:
    columns = ("endpoint", "reason", "first seen", "last seen")
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    # in one piece, to be copied into a query
    table.add_column("record_hash", no_wrap=True)
    for rejection in rejections:
        table.add_row(
            rejection.endpoint,
            escape(rejection.reason),
            f"{rejection.first_seen_at:%F %T}",
            f"{rejection.last_seen_at:%F %T}",
            rejection.record_hash,
        )
    return table
