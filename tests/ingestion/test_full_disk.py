"""A disk that is full under LISTENHOUSE_HOME is one line with its cause, and space heals it."""

from __future__ import annotations

import sys

import pytest

from tests.ingestion.conftest import Landing
from tests.small_disk import small_disk_at
from warehouse.cli import main
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


def test_a_full_disk_that_nobody_foresaw_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # unbuffered, so that nothing is left to be written when it is closed
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 (no buffer of a text file)
        monkeypatch.setattr(sys.stdout, "write", lambda text: full.write(text.encode()))
        with pytest.raises(SystemExit) as ended:
            main(["url"])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "cannot be written (No space left on device): free some space there" in told
    assert "Traceback" not in told
