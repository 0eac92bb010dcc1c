"""What a person sees of a load: a progress bar per endpoint, then a table.

In: settings. Out: the load, and its figures on the terminal.
"""

from __future__ import annotations

import sys

import psycopg
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingestion.crawl.completeness import ProgressCallback
from ingestion.landing.load import LoadReport, load
from ingestion.landing.load_record import record_load, recorded_requests
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def run_load(settings: Settings, *, accept_shrink: bool = False) -> LoadReport:
    """Runs a load and shows it.

    Args:
        settings: Source and warehouse.
        accept_shrink: Land the crawl even when the source holds far less than before.

    Returns:
        What was landed.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    record = RunRecord(settings, "dlt pipeline listen_history run")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        with record.step("load"):
            report = load_with_progress(settings, lock, record, accept_shrink=accept_shrink)
    # a field's name can look like markup
    console = Console(markup=False)
    console.print(
        f"Committed crawl {report.crawl.crawl_id} as of {report.crawl.boundary_at:%F %T} UTC."
    )
    print_load(console, report)
    return report


def print_load(console: Console, report: LoadReport) -> None:
    """Prints the figures of a load, one row per endpoint, and what changed in the API.

    Args:
        console: Where to.
        report: What was landed.
    """
    table = Table("endpoint", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("rows", "new", "closed", "duplicate", "rejected"):
        table.add_column(name, justify="right")
    for name, figures in report.crawl.figures.items():
        counts = (
            figures.reported,
            report.opened[name],
            report.closed[name],
            figures.duplicates,
            figures.rejected,
        )
        table.add_row(name, *(f"{count:,}" for count in counts))
    console.print(table)
    for line in report.drift:
        console.print(f"Note: {line}.", soft_wrap=True)


def load_with_progress(
    settings: Settings, lock: psycopg.Connection, record: RunRecord, *, accept_shrink: bool = False
) -> LoadReport:
    """Runs a load with a progress bar, where a terminal watches, and records it.

    Args:
        settings: Source and warehouse.
        lock: Connection that holds the run's lock.
        record: The run's record.
        accept_shrink: Land the crawl even when the source holds far less than before.

    Returns:
        What was landed.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with progress, recorded_requests(record) as http:
        report = load(
            settings, lock, accept_shrink=accept_shrink, on_page=_show_in(progress), http=http
        )
    record_load(record, report)
    return report


def _show_in(progress: Progress) -> ProgressCallback:
    tasks = {}

    def on_page(endpoint: str, page: int, pages: int) -> None:
        if endpoint not in tasks:
            tasks[endpoint] = progress.add_task(endpoint, total=pages)
        progress.update(tasks[endpoint], completed=page, total=pages)

    return on_page
