"""Imports of exports, as the command makes them."""

from __future__ import annotations

from pathlib import Path

from ingestion.spotify.export import is_single_file, read_export
from ingestion.spotify.landing import ImportReport, import_files
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

EXAMPLE = PROJECT_ROOT / "examples/spotify_export"


def import_export(settings: Settings, path: Path, user: str = "me") -> list[ImportReport]:
    """Imports a folder, an archive or a file."""
    with hold_run_lock(settings) as lock:
        files = list(read_export(path))
        return import_files(settings, lock, files, user, is_whole=not is_single_file(path))
