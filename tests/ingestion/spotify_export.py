"""Imports of exports, as the command makes them."""

from __future__ import annotations

import json
from pathlib import Path

from ingestion.sources.spotify.export import is_single_file, read_export
from ingestion.sources.spotify.landing import ImportReport, import_files
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

EXAMPLE = PROJECT_ROOT / "examples/spotify_export"


def import_export(settings: Settings, path: Path, user: str = "me") -> list[ImportReport]:
    """Imports a folder, an archive or a file."""
    with hold_run_lock(settings) as lock:
        files = list(read_export(path))
        return import_files(settings, lock, files, user, is_whole=not is_single_file(path))


def account_data(folder: Path) -> Path:
    """One play that the example tells as well, two that it does not, and a skipped one."""
    lighthouse, tape = ("The Harbour Lamps", "Lighthouse"), ("Marisol Quay", "Home Tape")
    file = folder / "StreamingHistory_music_0.json"
    file.write_text(
        json.dumps(
            [
                {"endTime": minute, "artistName": artist, "trackName": track, "msPlayed": played}
                for minute, (artist, track), played in (
                    ("2024-01-06 08:15", lighthouse, 214_000),
                    ("2026-02-01 10:00", lighthouse, 40_000),
                    ("2026-02-02 11:00", tape, 40_000),
                    ("2026-02-02 11:01", tape, 29_000),
                )
            ]
        )
    )
    return file
