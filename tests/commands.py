"""The commands of the environment, run as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from warehouse.settings import PROJECT_ROOT


def run_command(
    *command: str, environment: Mapping[str, str], timeout: float = 180
) -> subprocess.CompletedProcess[str]:
    """Runs an installed command from the repository's root.

    Args:
        command: Name of the script, and its arguments.
        environment: Variables on top of those of this process.
        timeout: Longest time it may take, in seconds.
    """
    script = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [str(script), *command[1:]],
        cwd=PROJECT_ROOT,
        env=os.environ | {"COLUMNS": "200"} | dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
