"""What a person sees of an import: its figures, and when they are in the marts.

In: settings, an export and whose it is. Out: the import, and its figures on the terminal.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ingestion.spotify import LANDING_SCHEMA, PIPELINE
from ingestion.spotify.export import is_single_file, read_export
from ingestion.spotify.landing import ImportReport, import_files, refuse_forgotten
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def run_import(settings: Settings, export: Path, user: str) -> ImportReport:
    """Runs an import and shows it.

    Args:
        settings: Which warehouse.
        export: Folder, archive or file.
        user: Whose it is, as the marts are to name them.

    Returns:
        What was landed.

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
            report = import_files(settings, lock, files, user, is_whole=not is_single_file(export))
    console = Console(markup=False, highlight=False)
    console.print(
        f"{report.events:,} events in {report.files:,} files, {report.new:,} of them new in "
        f"{LANDING_SCHEMA}.streams.",
        soft_wrap=True,
    )
    if report.rejected:
        console.print(
            f"{report.rejected:,} records do not fit and are in {LANDING_SCHEMA}.rejected_records, "
            "with the reason.",
            soft_wrap=True,
        )
    if report.new:
        console.print(
            "They are in the marts after the next load and build: `listenhouse run`.",
            soft_wrap=True,
        )
    return report
