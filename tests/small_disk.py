"""A real disk that is small enough to fill."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk_at(folder: Path, size: str) -> Iterator[Path]:
    """Mounts a disk in memory; skips the test where nobody may.

    Args:
        folder: Where; made when it is missing.
        size: How much it holds, as mount has it: `64m`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # `env` is there where sudo is not
    as_root = ["env"] if os.geteuid() == 0 else ["env", "sudo", "-n"]
    options = f"size={size},mode=700,uid={os.geteuid()}"
    mounted = subprocess.run(
        [*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([*as_root, "umount", "--lazy", str(folder)], check=True)
