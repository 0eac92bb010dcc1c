"""LISTENHOUSE_HOME is its user's alone; what is written elsewhere is as the user has it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.commands import run_command
from tests.private import exposed_files
from warehouse.private_home import close_to_others


def test_a_home_that_stood_open_is_closed_and_output_follows_the_umask(
    database_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    environment = {"LISTENHOUSE_HOME": str(home), "LISTENHOUSE_DATABASE_URL": database_url}
    elsewhere = tmp_path / "collected" / "listenhouse.prom"
    elsewhere.parent.mkdir()
    umask = os.umask(0o027)
    try:
        for output in (elsewhere, home / "listenhouse.prom"):
            outcome = run_command(
                *("listenhouse", "metrics", "show", "--output", str(output)),
                environment=environment,
            )
            assert outcome.returncode == 0, outcome.stderr
    finally:
        os.umask(umask)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o640
    assert (home / "listenhouse.prom").exists()
    assert exposed_files(home) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_postgresql_as_another_user_passes_through_and_sees_nothing(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    tmp_path.chmod(0o755)
    close_to_others(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    shutil.chown(tmp_path / "postgres", "nobody")
    tmp_path.chmod(0o755)
    close_to_others(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711
