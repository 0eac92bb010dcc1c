"""LISTENHOUSE_HOME is for its user alone: records on their way to landing hold names and addresses.

In: the folder, of this version or one before. Out: a folder that others cannot enter. What is made
in it later is private by the umask that commands run with.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
"""Of every command: files are their user's alone from the first byte."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PASS = stat.S_IXGRP | stat.S_IXOTH


def close_to_others(home: Path) -> None:
    """Takes the rights of others from the folder, where it is there.

    Args:
        home: LISTENHOUSE_HOME.
    """
    # where it cannot be changed it is another user's: they decide, or the disk is only read
    with suppress(OSError):
        mode = stat.S_IMODE(home.stat().st_mode)
        # PostgreSQL runs as another user where root may not: it passes through, and sees nothing
        allowed = _PASS if _is_of_another(home / "postgres") else 0
        if mode & _OTHERS & ~allowed:
            home.chmod(mode & ~_OTHERS | allowed)


def _is_of_another(directory: Path) -> bool:
    return directory.exists() and directory.stat().st_uid != os.geteuid()
