"""Readers see one whole day, whatever happens to the builds beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.commands import run_command, start_command
from tests.conftest import free_port
from tests.reading import Readings, in_one_statement, in_one_transaction, reading


def _dump(url: str) -> None:
    (folder,) = Path(sys.prefix, "lib").glob("python3*/site-packages/*/pginstall18/bin")
    subprocess.run([str(folder / "pg_dump"), "--schema=marts", "--file=/dev/null", url], check=True)


def _mixed(readings: Readings) -> list[tuple[object, ...]]:
    return [day for day in readings.days if len({*day[:3], *day[4:]}) > 1]


@pytest.mark.rare
def test_readers_see_one_day_through_builds_kills_withdrawals_and_erasures(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    environment = {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_PORT": str(free_port()),
        "LISTENHOUSE_SIMULATOR_PORT": str(free_port()),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
    }

    def succeed(*command: str) -> str:
        outcome = run_command(*command, environment=environment)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    try:
        succeed("listenhouse", "run")
        url = succeed("listenhouse", "url").strip()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create view public.my_listens as select * from marts.fct_listens")
            with (
                reading(url, in_one_statement) as statements,
                reading(url, in_one_transaction) as transactions,
            ):
                succeed("listenhouse", "run")
                _dump(url)
                # killed at moments of the build that are not chosen
                for number, seconds in enumerate((2.0, 4.0, 6.0, 8.0)):
                    folder = tmp_path / str(number)
                    folder.mkdir()
                    process = start_command(
                        "listenhouse", "run", environment=environment, folder=folder
                    )
                    time.sleep(seconds)
                    if process.is_alive() and process.pid is not None:
                        os.kill(process.pid, signal.SIGKILL)
                    process.join(60)
                succeed("listenhouse", "run")
                succeed("dbt", "build", "--full-refresh")
                succeed("listenhouse", "withdraw", "--yes")
                succeed("dbt", "build")
                succeed("listenhouse", "run")
                listener = connection.execute("select min(user_id) from marts.fct_listens")
                succeed("listenhouse", "forget", "--yes", *(listener.fetchone() or ()))
                _dump(url)
    finally:
        run_command("listenhouse", "down", environment=environment)
    record_property("longest look in seconds", max(statements.longest, transactions.longest))
    record_property("looks", statements.looks + transactions.looks)
    assert statements.errors == transactions.errors == []
    assert _mixed(statements) == _mixed(transactions) == []
    # the days that were published, each of them
    assert len({day[3] for day in statements.days}) >= 4
