"""What cron and systemd are given: read by the real parts where they are, run as cron runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.programs import find
from warehouse.daily_steps import DAILY_STEPS
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

FOLDER = PROJECT_ROOT / "orchestration"
JOB = FOLDER / "cron/listenhouse-job"
UNITS = sorted((FOLDER / "systemd").iterdir())

FIELD = re.compile(r"[\d*/,-]+")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    # it looks for the program as well
    program = str(Path(sys.executable).parent / "listenhouse")
    for unit in UNITS:
        text = unit.read_text().replace("/srv/listenhouse/.venv/bin/listenhouse", program)
        (tmp_path / unit.name).write_text(text)
    outcome = subprocess.run(
        [find("systemd-analyze"), "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    # an unknown key is no failure to it, but a line
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_the_unit_has_more_time_than_all_of_its_steps() -> None:
    unit = (FOLDER / "systemd/listenhouse.service").read_text()
    found = re.search(r"^RuntimeMaxSec=(\d+)h$", unit, re.MULTILINE)
    assert found
    # a step that timed out is not tried again, one that failed may have taken nearly as long
    longest = sum(step.timeout_seconds for step in DAILY_STEPS) + sum(
        step.timeout_seconds for step in DAILY_STEPS for _ in range(step.retries)
    )
    assert int(found[1]) * 3600 > longest


def test_each_line_of_the_crontab_is_a_time_and_a_command() -> None:
    lines = [
        line
        for line in (FOLDER / "cron/listenhouse.crontab").read_text().splitlines()
        if line and not line.startswith("#") and not re.match(r"[A-Z]+=", line)
    ]
    commands = []
    for line in lines:
        *times, command = line.split(maxsplit=5)
        assert len(times) == 5
        assert all(FIELD.fullmatch(time) for time in times)
        # in a crontab it would be the end of the line
        assert "%" not in command
        found = re.fullmatch(r'"\$HOUSE/orchestration/cron/listenhouse-job" (.+)', command)
        assert found
        commands.append(found[1])
    assert commands == ["run", "run --resume", "alerts check", "alerts summary --days 7"]


def job(*arguments: str, settings: Path, **environment: str) -> tuple[int, str]:
    """Runs the job as cron does: next to nothing in its environment, and not from here."""
    outcome = subprocess.run(
        ["/bin/sh", "-c", '"$0" "$@"', str(JOB), *arguments],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/", "LISTENHOUSE_ENV": str(settings), **environment},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert outcome.stderr == "" or outcome.returncode == 78
    return outcome.returncode, outcome.stdout + outcome.stderr


def test_a_job_speaks_when_it_failed_only(tmp_path: Path, settings: Settings) -> None:
    house = PROJECT_ROOT / ".venv/bin/listenhouse"
    if not house.exists():
        pytest.skip("the job calls the environment that make makes, and there is another here")
    file = tmp_path / "listenhouse.env"
    lines = [
        "# a comment",
        "",
        f"LISTENHOUSE_HOME={settings.home}",
        f"LISTENHOUSE_DATABASE_URL={settings.database_url}",
    ]
    file.write_text("\n".join(lines))
    assert job("steps", settings=file) == (0, "")
    # it waits for what holds the warehouse, and says so when that takes too long
    step = ("run", "--step", "database")
    with ThreadPoolExecutor() as pool:
        with hold_run_lock(settings):
            code, said = job(
                *step, settings=file, LISTENHOUSE_BUSY_TRIES="1", LISTENHOUSE_BUSY_SECONDS="0"
            )
            assert code == 75
            assert said.startswith("Another run is under way")
            waiting = pool.submit(job, *step, settings=file, LISTENHOUSE_BUSY_SECONDS="1")
            tried = len(list(settings.log_directory.iterdir()))
            # each try has a log of its own
            while len(list(settings.log_directory.iterdir())) < tried + 2:
                assert not wait([waiting], timeout=0.1).done
        assert waiting.result() == (0, "")
    file.write_text("\n".join([*lines, "LISTENHOUSE_STEP_TIMEOUTS=$(date) `date`"]))
    code, said = job("steps", settings=file)
    assert code == 1
    # nothing of it was executed
    assert "LISTENHOUSE_STEP_TIMEOUTS has '$(date) `date`'" in said
    file.write_text("PATH=/tmp")
    assert job("steps", settings=file) == (
        78,
        f"{file}: this is no line LISTENHOUSE_…=value: PATH\n",
    )
