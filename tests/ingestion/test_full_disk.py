"""A disk that is full under LISTENHOUSE_HOME is one line with its cause, and space heals it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ingestion.conftest import Landing
from tests.small_disk import small_disk_at
from warehouse.errors import ListenhouseError


def test_a_load_whose_disk_fills_up_is_one_line_and_healed_by_space(landing: Landing) -> None:
    told = []
    # full at the first page, at the last, in dlt's files
    for size in ("4k", "32k", "64k", "128k"):
        with (
            small_disk_at(landing.settings.home, size),
            pytest.raises(ListenhouseError, match="No space left on device") as failure,
        ):
            landing.load()
        told.append(str(failure.value))
    assert all("\n" not in line and line.endswith(("run again.", "more.")) for line in told)
    assert [str(landing.settings.spool_directory) in line for line in told[:2]] == [True, True]
    assert ["dlt's step" in line for line in told] == [False, False, True, True]
    assert "raw_moovitamix.crawls" not in landing.tables()

    assert landing.load().crawl.figures["users"].landed == 250


def test_a_full_disk_that_nobody_foresaw_is_one_line_too(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 (a device)
        outcome = subprocess.run(
            [Path(sys.executable).parent / "listenhouse", "url"],
            env=os.environ | {"LISTENHOUSE_HOME": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert outcome.returncode == 1
    assert "cannot be written (No space left on device): free some space there" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
