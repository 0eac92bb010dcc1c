"""The files beside the database: what waited to be landed, dlt's folder, pages and logs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ingestion.landing.addresses import MAYBE_ADDRESS, find_addresses
from operations.erasure.errors import ErasureError
from operations.erasure.person import Person
from warehouse.settings import PROJECT_ROOT, Settings


def erase_files(settings: Settings, person: Person) -> int:
    """Takes a person from the files beside the database: what waited to be landed, and addresses.

    Args:
        settings: Where they are.
        person: Whom to forget.

    Returns:
        How many files said their address.

    Raises:
        ErasureError: A file cannot be changed.
    """
    # the warehouse knows all that dlt does; it gets its state from there
    for folder in _folders_of_loads(settings):
        shutil.rmtree(folder, ignore_errors=True)
    changed = 0
    for file in _files(settings):
        try:
            spots = _find_addresses(file, person)
            if spots:
                # in place, byte for byte: the server goes on writing in its log
                with file.open("r+b") as stream:
                    for start, end in spots:
                        stream.seek(start)
                        stream.write(b"*" * (end - start))
                changed += 1
        except FileNotFoundError:
            # a log that was let go meanwhile
            continue
        except OSError as error:
            raise ErasureError(
                f"The rows are deleted, but {file} cannot be changed ({error.strerror}): correct "
                "its rights, and run this again."
            ) from error
    return changed


def find_in_files(settings: Settings, person: Person) -> list[str]:
    """Names the files that say an address of a person, and the folders of loads that are there.

    Args:
        settings: Where they are.
        person: Whom to look for.

    Raises:
        ErasureError: A file cannot be read.
    """
    found = [str(folder) for folder in _folders_of_loads(settings) if folder.exists()]
    for file in _files(settings):
        try:
            if _find_addresses(file, person):
                found.append(str(file))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ErasureError(
                f"The rows are deleted, but {file} cannot be read ({error.strerror}): correct its "
                "rights, and run this again."
            ) from error
    return found


def _folders_of_loads(settings: Settings) -> tuple[Path, ...]:
    """Where loads keep records: what waited to be landed, and what dlt made of it."""
    return settings.dlt_directory / "pipelines", settings.spool_directory


def _find_addresses(file: Path, person: Person) -> list[tuple[int, int]]:
    """Where a file says an address of a person, in bytes."""
    as_it_is = "surrogateescape"
    text = file.read_bytes().decode(errors=as_it_is)
    if not person.emails or not re.search(MAYBE_ADDRESS, text):
        return []
    return [
        (len(text[:start].encode(errors=as_it_is)), len(text[:end].encode(errors=as_it_is)))
        for start, end, address in find_addresses(text)
        if address in person.emails
    ]


def _files(settings: Settings) -> Iterator[Path]:
    """Files that lines about a person could be in."""
    # by default, by the image and the systemd units, by whoever runs this
    named = [os.environ[name] for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH") if name in os.environ]
    folders = {
        settings.log_directory,
        *(settings.home / name for name in ("pages", "target", "dbt-logs")),
        *(PROJECT_ROOT / name for name in ("logs", "target", *named)),
    }
    single = (settings.simulator_log_file, settings.postgres_directory / "server.log")
    for file in (*single, *(file for folder in sorted(folders) for file in folder.rglob("*"))):
        if file.is_file():
            yield file
