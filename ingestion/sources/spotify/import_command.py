"""What a person sees of an import: its figures, and when they are in the marts.

In: settings, an export and whose it is. Out: the import, and its figures on the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ingestion.sources.spotify import ACCOUNT_STREAMS, LANDING_SCHEMA, PIPELINE
from ingestion.sources.spotify.export import is_single_file, read_export
from ingestion.sources.spotify.landing import ImportReport, import_files, refuse_forgotten
from ingestion.sources.spotify.listens import MIN_PLAYED_MS
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def run_import(settings: Settings, export: Path, user: str) -> list[ImportReport]:
    """Runs an import and shows it.

    Args:
        settings: Which warehouse.
        export: Folder, archive or file.
        user: Whose it is, as the marts are to name them.

    Returns:
        What was landed, by kind of event.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    record = RunRecord(settings, f"dlt pipeline {PIPELINE} run")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        # before the record begins: a path that was mistyped is no failure of the house
        export, user = export.expanduser(), user.strip()
        files = list(read_export(export))
        refuse_forgotten(settings, lock, user)
        record.begin()
        with record.step("import"):
            is_whole = not is_single_file(export)
            reports = import_files(settings, lock, files, user, is_whole=is_whole)
    _show(reports)
    return reports


def _show(reports: Sequence[ImportReport]) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for report in reports:
        console.print(
            f"{report.events:,} events in {report.files:,} files, {report.new:,} of them new in "
            f"{report.table}."
        )
        no_listens = {
            "without a track (episodes, books, files of one's own)": report.trackless,
            f"under {MIN_PLAYED_MS // 1000} seconds": report.short,
        }
        told = ", ".join(f"{count:,} {why}" for why, count in no_listens.items() if count)
        if told:
            console.print(f"No listens among them: {told}.")
        if report.table == f"{LANDING_SCHEMA}.{ACCOUNT_STREAMS.name}":
            console.print(
                "This is the account data: one year, to the minute, tracks without ids. The "
                "extended streaming history has all; import it as well when it comes: what both "
                "tell is counted once."
            )
    if rejected := sum(report.rejected for report in reports):
        console.print(
            f"{rejected:,} records do not fit and are in {LANDING_SCHEMA}.rejected_records, "
            "with the reason."
        )
    if any(report.new for report in reports):
        console.print("Listens are in the marts after the next load and build: `listenhouse run`.")
