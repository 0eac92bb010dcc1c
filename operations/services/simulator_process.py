"""The simulator as a process in the background, the source where no API is configured.

In: settings and the day to serve. Out: a server on 127.0.0.1 that outlives the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

import psutil
import requests

from operations.services.ports import is_port_taken
from warehouse.errors import SimulatorError
from warehouse.settings import PROJECT_ROOT, Settings

_START_TIMEOUT_SECONDS = 60
_END_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator that was started here.

    Attributes:
        pid: Process id.
        created_at: When the process was created, seconds since 1970; a process id alone can
            mean another process by now.
        port: TCP port on 127.0.0.1.
        day: The day it serves, from 0.
        as_of: The date at whose beginning the world is seen, as in ISO 8601.
    """

    pid: int
    created_at: float
    port: int
    day: int
    as_of: str


@dataclass(frozen=True)
class SimulatedDay:
    """A day of the simulated world.

    Attributes:
        number: Counted from 0.
        start_date: Date of day 0.
    """

    number: int
    start_date: date

    @property
    def as_of(self) -> date:
        """The date at whose beginning (UTC) the world is seen."""
        return self.start_date + timedelta(days=self.number)


def today() -> date:
    """The date (UTC)."""
    return datetime.now(UTC).date()


def day_to_serve(crawled_on: Sequence[date]) -> SimulatedDay:
    """The day of the world that the last of some crawls meets.

    Day 0 is the date of the first crawl. The world is never behind the calendar, and another day
    older at each crawl, so that two on one date find two days.

    Args:
        crawled_on: The dates of all crawls, in order; one at least.
    """
    start_date = crawled_on[0]
    number = -1
    for crawl_date in crawled_on:
        number = max(number + 1, (crawl_date - start_date).days)
    return SimulatedDay(number, start_date)


def find_simulator(settings: Settings) -> RunningSimulator | None:
    """The running simulator, or None.

    Args:
        settings: Where its state file is.
    """
    try:
        simulator = RunningSimulator(**json.loads(settings.simulator_state_file.read_text()))
        process = psutil.Process(simulator.pid)
        alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        same = abs(process.create_time() - simulator.created_at) < 1
    except (FileNotFoundError, ValueError, TypeError, psutil.Error):
        return None
    return simulator if alive and same else None


def start_simulator(
    settings: Settings, day: SimulatedDay, meanwhile: Callable[[], None] | None = None
) -> bool:
    """Starts the simulator, or restarts it on another day.

    Args:
        settings: Port and state file.
        day: The day to serve.
        meanwhile: What else is to be done while it starts.

    Returns:
        True when a simulator was started, False when it served that day already.

    Raises:
        SimulatorError: It does not answer; says why.
    """
    running = find_simulator(settings)
    wanted = (day.number, day.as_of.isoformat(), settings.simulator_port)
    if running is not None and (running.day, running.as_of, running.port) == wanted:
        return False
    stop_simulator(settings)
    if is_port_taken(settings.simulator_port):
        raise SimulatorError(
            f"Port {settings.simulator_port} on 127.0.0.1, the simulator's, is taken by another "
            "program: choose a free one with LISTENHOUSE_SIMULATOR_PORT, or set "
            "LISTENHOUSE_API_URL if that program is the API to crawl."
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "simulator"]
    command += ["--port", str(settings.simulator_port)]
    command += ["--day", str(day.number), "--start-date", day.start_date.isoformat()]
    with settings.simulator_log_file.open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal of a run is not meant for it
            start_new_session=True,
        )
    simulator = RunningSimulator(
        pid=process.pid,
        created_at=psutil.Process(process.pid).create_time(),
        port=settings.simulator_port,
        day=day.number,
        as_of=day.as_of.isoformat(),
    )
    settings.simulator_state_file.write_text(json.dumps(asdict(simulator)))
    if meanwhile is not None:
        meanwhile()
    _wait_until_it_answers(settings, process)
    return True


def stop_simulator(settings: Settings) -> bool:
    """Stops the simulator.

    Args:
        settings: Where its state file is.

    Returns:
        True when one was stopped, False when none ran.
    """
    running = find_simulator(settings)
    if running is not None:
        process = psutil.Process(running.pid)
        process.terminate()
        deadline = time.monotonic() + _END_TIMEOUT_SECONDS
        # not until its process is gone: who started it is gone too, and init may reap late
        while find_simulator(settings) is not None:
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.01)
    settings.simulator_state_file.unlink(missing_ok=True)
    return running is not None


def _wait_until_it_answers(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    session = requests.Session()
    # a proxy of the environment would answer in its place
    session.trust_env = False
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            session.get(f"{settings.api_url}/users", params={"size": 1}, timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    lines = settings.simulator_log_file.read_text(errors="replace").strip().splitlines()
    stop_simulator(settings)
    raise SimulatorError(
        f"The simulator does not start on port {settings.simulator_port}: "
        f"{lines[-1] if lines else 'no message'} (its log: {settings.simulator_log_file})"
    )
