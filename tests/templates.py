"""Warehouses to copy: built once by whoever needs one first, on every worker's server from then on.

In: what builds a warehouse in an empty database. Out: a database to copy, and the files that the
building left, both kept between runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.conftest import empty_database
from tests.kept import PROJECT, kept
from warehouse.settings import PROJECT_ROOT

Build = Callable[[str, Path], None]
"""Builds in the database of a URL; writes what else there is into a folder."""

_SOURCES = (
    *PROJECT,
    *("ingestion", "lake", "monitoring", "operations", "recommender", "simulator", "warehouse"),
    *("tests/commands.py", "tests/conftest.py", "tests/recommendations.py", "tests/templates.py"),
    *("tests/drills/proxy.py", "tests/ingestion/scripted_api.py", "tests/monitoring/conftest.py"),
    *("tests/dbt_project/landing.py", "tests/dbt_project/scripted_days.py"),
    *("tests/dbt_project/warehouse_build.py", "tests/dbt_project/conftest.py"),
    *("tests/dbt_project/parsed_project.py", "tests/recommender/conftest.py"),
    *("tests/lake/conftest.py", "tests/recommender/marts.py", "tests/recommender/listeners.py"),
)


@contextmanager
def template(server: str, name: str, build: Build, folder: Path) -> Iterator[str]:
    """A database to copy, which exists while the block runs.

    Args:
        server: URL of the server, without a database.
        name: Its name, which is that of one way to build.
        build: Builds it, where it was not built today, or of other code.
        folder: Where the files go that belong to it.

    Yields:
        Its URL.
    """
    # what is recorded has times, and what reads it asks what is of today
    made = kept(name, _SOURCES, lambda place: _make(server, name, build, place), _today())
    shutil.copytree(made / "files", folder, dirs_exist_ok=True)
    with empty_database(server, name) as url:
        _run("pg_restore", "--exit-on-error", "--dbname", url, str(made / "database"))
        yield url


def _make(server: str, name: str, build: Build, place: Path) -> None:
    files = place / "files"
    files.mkdir()
    with empty_database(server, f"{name}_being_built") as url:
        build(url, files)
        _run("pg_dump", "--format=custom", "--compress=none", f"--file={place / 'database'}", url)


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _run(program: str, *arguments: str) -> None:
    # the embedded server's own
    (folder,) = Path(sys.prefix, "lib").glob("python3*/site-packages/*/pginstall18/bin")
    subprocess.run([str(folder / program), *arguments], cwd=PROJECT_ROOT, check=True)
