"""The commands of the environment, run as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

DEFAULTS = {
    "COLUMNS": "200",
    # takes seconds of every run, and has tests of its own
    "LISTENHOUSE_RECOMMEND": "no",
}
"""Variables of every command, unless a test sets them otherwise."""


def run_command(
    *command: str, environment: Mapping[str, str], timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """Runs an installed command from the repository's root.

    Args:
        command: Name of the script, and its arguments.
        environment: Variables on top of those of this process.
        timeout: Longest time it may take, in seconds: when it hangs, however busy the machine.
    """
    script = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [str(script), *command[1:]],
        cwd=PROJECT_ROOT,
        env=os.environ | DEFAULTS | dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
