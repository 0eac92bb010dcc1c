"""The newcomer's path, as installed: a house from nothing, further days, dbt's own commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.commands import run_command, run_script, start_command
from tests.conftest import free_port
from tests.dbt_project.parsed_project import leave_parsed
from tests.dbt_project.warehouse_build import Warehouse
from tests.private import exposed_files


@dataclass(frozen=True)
class House:
    """A house of its own, with a day behind it.

    Attributes:
        environment: What leads commands to it.
        warehouse: Its warehouse.
        beginning: What was said of it before its first day.
        first_day: What its first run said.
    """

    environment: dict[str, str]
    warehouse: Warehouse
    beginning: str
    first_day: str


def succeed(*command: str, environment: dict[str, str]) -> str:
    """Runs a command that must not fail; returns what it says."""
    return said_by(run_command(*command, environment=environment))


def said_by(outcome: subprocess.CompletedProcess[str]) -> str:
    """What a command said that must not have failed."""
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Nothing exists before its first day, nothing runs after the last test.

    The first day is run by the installed script itself, in a Python that starts from nothing.
    """
    folder = tmp_path_factory.mktemp("daily_run")
    environment = {
        "LISTENHOUSE_HOME": str(folder / "home"),
        "LISTENHOUSE_PORT": str(free_port()),
        "LISTENHOUSE_SIMULATOR_PORT": str(free_port()),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        # what no data changes is tested elsewhere
        "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
    }
    try:
        beginning = succeed("listenhouse", "status", environment=environment)
        url = succeed("listenhouse", "url", environment=environment).strip()
        leave_parsed(folder / "target", url)
        with_recommendations = environment | {"LISTENHOUSE_RECOMMEND": "yes"}
        first_day = said_by(run_script("listenhouse", "run", environment=with_recommendations))
        yield House(environment, Warehouse(url, folder), beginning, first_day)
    finally:
        run_command("listenhouse", "down", environment=environment)


def recorded_runs(house: House) -> list[dict[str, Any]]:
    """The runs that are recorded, the last one first."""
    runs: list[dict[str, Any]] = json.loads(
        succeed("listenhouse", "runs", "--json", environment=house.environment)
    )
    return runs


@contextmanager
def build_that_waits(house: House, folder: Path, *options: str) -> Iterator[ForkServerProcess]:
    """A run whose build has come as far as a table that is locked, and waits."""
    folder.mkdir()
    with suppress(psycopg.OperationalError), psycopg.connect(house.warehouse.url) as connection:
        connection.execute("lock table candidate_marts.dim_users")
        process = start_command(
            *("listenhouse", "run", *options), environment=house.environment, folder=folder
        )
        waiting = "select count(*) from pg_locks where not granted and relation = %s::regclass"
        while connection.execute(waiting, ("candidate_marts.dim_users",)).fetchone() == (0,):
            assert process.is_alive()
        yield process


def test_two_days_from_nothing(house: House) -> None:
    # of `dbt build`: the runs have tested the data
    untested = {"DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test"}

    def say(*command: str) -> str:
        return succeed(*command, environment=house.environment | untested)

    url = house.warehouse.url
    assert "not created yet" in house.beginning
    assert re.search(r"users\s+1,000\s+1,000\s+0\s+0\s+0", house.first_day)
    assert re.search(r"20,\d{3} listens in marts.fct_listens", house.first_day)
    assert re.search(r"1\d\d tests passed on all rows \(the first\)", house.first_day)
    assert "first: needed. There is no champion yet." in house.first_day
    assert re.search(r"Version 2 \(.*\) is champion now", house.first_day)
    assert re.search(r"1,0\d\d users have recommendations for \d{4}-", house.first_day)
    assert f"connect       {url}" in house.first_day
    assert exposed_files(Path(house.environment["LISTENHOUSE_HOME"])) == []

    crawls, versions = (
        f"select count(*) from raw_moovitamix.{table}" for table in ("crawls", "users")
    )
    ((days,),) = house.warehouse.query(crawls)
    ((before,),) = house.warehouse.query(versions)
    sessions = "select sessions from pg_stat_database where datname = current_database()"
    ((sessions_before,),) = house.warehouse.query(sessions)
    another = say("listenhouse", "run")
    changed = re.search(r"users\s+(\d,\d+)\s+(\d+)\s+(\d+)", another)
    assert changed is not None
    assert re.search(r"tests passed on what was built since \d{4}-", another)
    # a session for each thread, not for each of two hundred nodes
    ((sessions_after,),) = house.warehouse.query(sessions)
    assert sessions_after - sessions_before < 60
    # another day: only what changed is stored
    assert 0 < int(changed[2]) < 100
    assert house.warehouse.query(versions) == [(before + int(changed[2]),)]
    status = say("listenhouse", "status")
    assert f"serves day {days}" in status
    assert f"{days + 1} crawls" in status
    first, last = (recorded_runs(house)[at] for at in (-1, 0))
    steps = ["database", "source", "load", "build"]
    for run, its_steps in ((first, [*steps, "triggers", "retrain", "recommend"]), (last, steps)):
        assert run["status"] == "succeeded"
        assert list(run["step_seconds"]) == its_steps
    assert "succeeded" in say("listenhouse", "runs")

    built = house.warehouse.fingerprints()
    assert "fct_listens" in built
    say("dbt", "build", "--quiet")
    assert house.warehouse.fingerprints() == built
    succeed("dbt", "test", "--quiet", "--select", "fct_listens", environment=house.environment)
    say("dbt", "source", "freshness", "--quiet")
    # which the builds of other tests leave out
    assert house.warehouse.query(
        "select obj_description('marts.fct_listens'::regclass) is not null,"
        " col_description('marts.fct_listens'::regclass, 1) is not null"
    ) == [(True, True)]
    say("dbt", "docs", "generate", "--static", "--quiet")
    assert "fct_listens" in (house.warehouse.folder / "target/static_index.html").read_text()

    assert "Stopped the simulator and PostgreSQL" in say("listenhouse", "down")
    assert "stopped" in say("listenhouse", "status")
    assert "Nothing was running" in say("listenhouse", "down")
    say("listenhouse", "up")


def test_a_failing_test_ends_the_run_and_is_named(house: House) -> None:
    # listens that were landed are lost from the fact; no build did that
    listens = "select count(*), min(listened_at), max(listened_at) from marts.fct_listens"
    before = house.warehouse.query(listens)
    lost = "from candidate_marts.fct_listens where position = 1"
    house.warehouse.execute(
        f"create schema lost; create table lost.listens as select * {lost}; delete {lost}"
    )

    outcome = run_command("listenhouse", "run", "--full-audit", environment=house.environment)

    # the listens of records that changed on that day are back already
    house.warehouse.execute(
        "insert into candidate_marts.fct_listens select * from lost.listens"
        " where listen_key not in (select listen_key from candidate_marts.fct_listens);"
        " drop schema lost cascade"
    )
    assert outcome.returncode == 1
    assert "dbt build failed" in outcome.stderr
    assert "every_listen_landed_is_in_the_fact_once" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    # nobody has seen it, and who asks is told
    assert house.warehouse.query(listens) == before
    assert "Not published: marts stay as of" in outcome.stderr
    status = succeed("listenhouse", "status", environment=house.environment)
    assert "Not published: 1 test failed" in " ".join(status.split())
    checked = run_command("listenhouse", "check", environment=house.environment)
    assert checked.returncode == 1
    assert "Not published: 1 test failed" in " ".join(checked.stdout.split())
    failed = recorded_runs(house)[0]
    assert (failed["status"], failed["failed_step"]) == ("failed", "build")


def test_a_signal_during_the_build_ends_the_run_and_the_next_completes_it(
    house: House, tmp_path: Path
) -> None:
    for number, code, options in (
        (signal.SIGINT, 130, ()),
        (signal.SIGTERM, 143, ("--resume",)),
    ):
        with build_that_waits(house, tmp_path / number.name, *options) as process:
            assert process.pid is not None
            os.kill(process.pid, number)
            process.join(300)
        assert process.exitcode == code
        stderr = (tmp_path / number.name / "stderr").read_text()
        assert "Run again" in stderr
        assert "Traceback" not in stderr

    crawls = "select count(*) from raw_moovitamix.crawls"
    landed = house.warehouse.query(crawls)
    succeed("listenhouse", "run", "--resume", environment=house.environment)
    last, ended = recorded_runs(house)[:2]
    assert list(last["step_seconds"]) == ["database", "build"]
    assert last["command"] == "listenhouse run --resume"
    assert last["attempt"] == ended["attempt"] + 1
    assert house.warehouse.query(crawls) == landed


def test_a_database_that_goes_away_during_the_build_is_told_as_that(
    house: House, tmp_path: Path
) -> None:
    pid_file = Path(house.environment["LISTENHOUSE_HOME"]) / "postgres/postmaster.pid"
    with build_that_waits(house, tmp_path / "crash", "--step", "build") as process:
        postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        # without a checkpoint, and every session at once
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(30)
        process.join(300)
    succeed("listenhouse", "up", environment=house.environment)

    assert process.exitcode == 1
    stderr = (tmp_path / "crash/stderr").read_text()
    assert "The database went away during dbt build (" in stderr
    assert "then `listenhouse run --resume`" in stderr
    assert "Traceback" not in stderr
    assert "did not start" not in stderr
