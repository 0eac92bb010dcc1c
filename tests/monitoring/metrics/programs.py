"""Prometheus and its promtool, as Debian's package brings them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT

RULES = PROJECT_ROOT / "monitoring" / "prometheus"


def find_program(name: str) -> str:
    """The path of a program; a test without it fails, and says how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(
            f"No {name}: install it (Debian and Ubuntu: `apt-get install prometheus`) so that it "
            "is on the PATH."
        )
    return found


def promtool(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs promtool.

    Args:
        *arguments: As on the command line.
        given: What it reads from standard input.
    """
    return subprocess.run(
        [find_program("promtool"), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
