"""What others than its user could do with a folder."""

from __future__ import annotations

import stat
from pathlib import Path


def exposed_files(folder: Path) -> list[Path]:
    """The folder, and what is in it, as far as anybody else has a right to it."""
    return [
        path
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
