"""dbt's first parse of the project, beside what comes before the build.

In: nothing. Out: the file in which dbt keeps what it parsed. Where that is, dbt only looks for
changes; where it is not, as on the first day, a parse takes 7 s, and another core is idle.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

Parsing = subprocess.Popen[bytes]


@contextmanager
def parsing_ahead() -> Iterator[Parsing | None]:
    """Parses while the block runs, where dbt has not parsed before.

    Yields:
        The process, to wait for; None where there is nothing to parse. What is wrong with the
        project dbt says again when it builds.
    """
    target = PROJECT_ROOT / os.environ.get("DBT_TARGET_PATH", "target")
    if (target / "partial_parse.msgpack").exists():
        yield None
        return
    root = str(PROJECT_ROOT)
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "--no-write-json", "parse"]
    parsing = subprocess.Popen(
        [*command, "--project-dir", root, "--profiles-dir", root],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield parsing
    finally:
        parsing.kill()
        parsing.wait()
