"""What takes long to make and is the same for every test: made once, and kept between runs.

In: what makes a folder. Out: the folder, whole, whoever of several processes came first. It lies
under a hash of all that it depends on, so that nothing is used after a change.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import fasteners

from warehouse.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / ".listenhouse-tests"
"""`make clean` deletes it, and git ignores it."""

PROJECT = (
    *("dbt_project.yml", "profiles.yml", "requirements.lock"),
    *("dbt_project", "macros", "seeds", "tests/dbt"),
)
"""What dbt's parse depends on."""


def kept(name: str, sources: Iterable[str], make: Callable[[Path], None], *conditions: str) -> Path:
    """A folder that is made when it is not there, or of other sources.

    Args:
        name: Its name, which is that of one thing.
        sources: Files and folders of the repository that what is made depends on.
        make: Fills an empty folder; one that is not filled to the end is never used.
        *conditions: What else has to be the same for it to be used.

    Returns:
        The folder, to read only.
    """
    folder = FOLDER / "-".join([name, _hash(tuple(sources)), *conditions])
    if folder.exists():
        return folder
    FOLDER.mkdir(exist_ok=True)
    with fasteners.InterProcessLock(FOLDER / f"{name}.lock"):
        if folder.exists():
            return folder
        unfinished = FOLDER / f"{name}.unfinished"
        # a process that was killed has left its own
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        make(unfinished)
        for old in FOLDER.glob(f"{name}-*"):
            shutil.rmtree(old, ignore_errors=True)
        unfinished.rename(folder)
    return folder


@cache
def _hash(sources: tuple[str, ...]) -> str:
    # paths of files are in what dbt parses
    digest = hashlib.sha256(str(PROJECT_ROOT).encode())
    for source in sources:
        path = PROJECT_ROOT / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(str(file.relative_to(PROJECT_ROOT)).encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
