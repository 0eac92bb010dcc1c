"""The newcomer's path, as installed: two days, then dbt's own commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.commands import run_command
from tests.conftest import free_port
from tests.dbt_project.warehouse_build import Warehouse
from warehouse.settings import PROJECT_ROOT


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A house of its own: nothing exists yet, nothing runs afterwards."""
    environment = {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_PORT": str(free_port()),
        "LISTENHOUSE_SIMULATOR_PORT": str(free_port()),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }
    yield environment
    run_command("listenhouse", "down", environment=environment)


def test_two_days_from_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    def succeed(*command: str) -> str:
        outcome = run_command(*command, environment=environment)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert "Traceback" not in outcome.stderr
        return outcome.stdout

    assert "not created yet" in succeed("listenhouse", "status")
    url = succeed("listenhouse", "url").strip()
    warehouse = Warehouse(url, tmp_path)

    first = succeed("listenhouse", "run")
    assert re.search(r"users\s+1,000\s+1,000\s+0\s+0\s+0", first)
    assert re.search(r"20,\d{3} listens in marts.fct_listens", first)
    assert f"connect       {url}" in first

    second = succeed("listenhouse", "run")
    changed = re.search(r"users\s+(\d,\d+)\s+(\d+)\s+(\d+)", second)
    assert changed is not None
    # another day: only what changed is stored
    assert 0 < int(changed[2]) < 100
    with psycopg.connect(url) as connection:
        versions = connection.execute("select count(*) from raw_moovitamix.users").fetchone()
    assert versions == (1000 + int(changed[2]),)
    assert "serves day 1" in succeed("listenhouse", "status")
    recorded = json.loads(succeed("listenhouse", "runs", "--json"))
    assert [(run["status"], list(run["step_seconds"])) for run in recorded] == [
        ("succeeded", ["database", "source", "load", "build"])
    ] * 2
    assert "succeeded" in succeed("listenhouse", "runs")
    assert "2 crawls" in succeed("listenhouse", "status")

    built = warehouse.fingerprints()
    assert "fct_listens" in built
    succeed("dbt", "build", "--quiet")
    assert warehouse.fingerprints() == built
    succeed("dbt", "build", "--quiet", "--select", "fct_listens+")
    assert warehouse.fingerprints() == built
    succeed("dbt", "test", "--quiet", "--select", "fct_listens")
    succeed("dbt", "source", "freshness", "--quiet")
    succeed("dbt", "docs", "generate", "--static", "--quiet")
    assert "fct_listens" in (tmp_path / "target/static_index.html").read_text()

    assert "Stopped the simulator and PostgreSQL" in succeed("listenhouse", "down")
    assert "stopped" in succeed("listenhouse", "status")
    assert "Nothing was running" in succeed("listenhouse", "down")


def test_a_failing_test_ends_the_run_and_is_named(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert run_command("listenhouse", "run", environment=environment).returncode == 0
    url = run_command("listenhouse", "url", environment=environment).stdout.strip()
    # listens that were landed are lost from the fact
    Warehouse(url, tmp_path).execute("delete from marts.fct_listens where position = 1")

    outcome = run_command("listenhouse", "run", environment=environment)

    assert outcome.returncode == 1
    assert "dbt build failed" in outcome.stderr
    assert "every_listen_landed_is_in_the_fact_once" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    (failed, _) = json.loads(
        run_command("listenhouse", "runs", "--json", environment=environment).stdout
    )
    assert (failed["status"], failed["failed_step"]) == ("failed", "build")


def test_a_signal_during_the_build_ends_the_run_and_the_next_completes_it(
    environment: dict[str, str],
) -> None:
    url = run_command("listenhouse", "url", environment=environment).stdout.strip()
    assert run_command("listenhouse", "run", environment=environment).returncode == 0
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with psycopg.connect(url) as connection:
            # the build comes as far as this table, and waits
            connection.execute("lock table marts.dim_users")
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "listenhouse"), "run"],
                cwd=PROJECT_ROOT,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            waiting = "select count(*) from pg_locks where not granted and relation = %s::regclass"
            while connection.execute(waiting, ("marts.dim_users",)).fetchone() == (0,):
                assert process.poll() is None
            process.send_signal(number)
            _, stderr = process.communicate(timeout=60)
        assert process.returncode == code
        assert "Run again" in stderr
        assert "Traceback" not in stderr

    assert run_command("listenhouse", "run", environment=environment).returncode == 0
