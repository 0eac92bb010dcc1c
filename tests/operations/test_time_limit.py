"""A step that hears no signal is ended all the same, by the process that it hangs in."""

from __future__ import annotations

import subprocess
import sys
import time
import weakref

import psycopg
import pytest

from operations.daily_run.time_limit import time_limit
from warehouse.daily_steps import Step
from warehouse.errors import StepTimedOutError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

# ADBC waits for the table in its own code, where no signal handler of Python's is run
HANGING = """
import os
import adbc_driver_postgresql.dbapi
from warehouse.daily_steps import Step
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import read_settings
from operations.daily_run.time_limit import time_limit

settings = read_settings()
record = RunRecord(settings, "a test")

def give_up(error):
    record.fail(str(error))
    print("told", flush=True)

with hold_run_lock(settings), record.run():
    record.begin()
    with time_limit(Step("recommend", "", 1, 0), give_up), record.step("recommend"):
        with adbc_driver_postgresql.dbapi.connect(settings.database_url) as adbc:
            adbc.cursor().execute("select * from listens")
"""


def test_what_waits_in_native_code_is_recorded_told_and_ended(
    settings: Settings, connection: psycopg.Connection
) -> None:
    connection.execute("create table listens (id integer)")
    with psycopg.connect(settings.database_url) as blocking:
        blocking.execute("lock table listens")
        begin = time.monotonic()
        outcome = subprocess.run(
            [sys.executable, "-c", HANGING],
            cwd=PROJECT_ROOT,
            env={
                "LISTENHOUSE_DATABASE_URL": settings.database_url,
                "LISTENHOUSE_HOME": str(settings.home),
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        # the alarm alone, after a second, did not do it
        assert time.monotonic() - begin > 6
        # whoever comes next has the lock, while the server still waits for the table
        with hold_run_lock(settings):
            pass
    assert outcome.returncode == 1, outcome.stderr
    assert outcome.stdout == "told\n"
    assert "The step recommend took longer than 1 s and was ended" in outcome.stderr
    rows = connection.execute("select status, failed_step, ended_at is null from ops.runs")
    assert rows.fetchall() == [("failed", "recommend", False)]
    rows = connection.execute("select status, message like '%took longer%' from ops.steps")
    assert rows.fetchall() == [("failed", True)]


class _Watched:
    """What a weak reference can be of."""


def test_an_alarm_that_python_swallows_rings_again(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with time_limit(Step("build", "", 1, 0), lambda _error: None):
            watched = _Watched()
            # it is under way when the time is up
            references.append(weakref.ref(watched, lambda _dead: time.sleep(2)))
            del watched
            time.sleep(30)

    references: list[weakref.ref[_Watched]] = []
    begin = time.monotonic()
    with pytest.raises(StepTimedOutError):
        work()
    assert references[0]() is None
    # before what ends the process
    assert time.monotonic() - begin < 5
    assert capfd.readouterr().err == ""
