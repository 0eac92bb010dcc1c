"""Prometheus and its promtool, as Debian's package brings them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests import programs
from warehouse.settings import PROJECT_ROOT

RULES = PROJECT_ROOT / "monitoring" / "prometheus"


def promtool(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs promtool.

    Args:
        *arguments: As on the command line.
        given: What it reads from standard input.
    """
    return subprocess.run(
        [programs.find("promtool"), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
