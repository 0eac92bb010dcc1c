"""Loads and builds in processes of their own, which can be stopped at any point.

In: settings and a kill. Out: how the process ended, and the trail of points it passed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tests.dbt_project.warehouse_build import IN_PLACE
from tests.drills.killer import (
    Kill,
    Trail,
    Victim,
    pass_points,
    read_trail,
    strike,
    watch,
)
from tests.forked import fork
from warehouse.errors import StepFailedError
from warehouse.private_home import PRIVATE_UMASK
from warehouse.settings import PROJECT_ROOT, Settings

Meanwhile = Callable[[int], None]
"""What happens while a process runs; given its id."""

MAX_SECONDS = 120
"""A process that takes longer hangs."""


_WITHOUT_FILES = ("--no-write-json", "--log-level-file", "none", "--no-use-colors")
"""dbt's artifacts and logs, which nobody reads here, are a quarter of a build's time."""


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        code: Its exit code, negative for a signal.
        message: What it said about why.
        trail: Steps and points it passed.
        seconds: How long it ran.
        hung: Whether it had to be killed because it did not end.
    """

    code: int
    message: str
    trail: list[tuple[str, str]]
    seconds: float
    hung: bool

    @property
    def step(self) -> str:
        """The step it was in when it ended."""
        return self.trail[-1][0] if self.trail else "start"


@dataclass(frozen=True)
class Scene:
    """Where a process runs.

    Attributes:
        settings: Source and warehouse.
        folder: Where its trail, its output and dbt's artifacts go.
        victim: What a kill strikes.
    """

    settings: Settings
    folder: Path
    victim: Victim


def run_load(
    scene: Scene,
    now: datetime,
    kill: Kill | None = None,
    meanwhile: Meanwhile | None = None,
) -> Ending:
    """Runs one load, as `dlt pipeline listen_history run` does.

    Args:
        scene: Where it runs.
        now: What the load's clock says.
        kill: When and how to stop it.
        meanwhile: Called with its process id while it runs.
    """
    return _run(_load, (now,), scene, kill, meanwhile)


def run_build(scene: Scene, arguments: tuple[str, ...], kill: Kill | None = None) -> Ending:
    """Runs a dbt command.

    Args:
        scene: Where it runs.
        arguments: As on dbt's command line.
        kill: When and how to stop it; its points are the names of nodes.
    """
    return _run(_build, (arguments,), scene, kill)


def _run(
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    scene: Scene,
    kill: Kill | None,
    meanwhile: Meanwhile | None = None,
) -> Ending:
    folder = scene.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("trail", "outcome.json"):
        (folder / name).unlink(missing_ok=True)
    begin = time.monotonic()
    process = fork(_enter, target, scene, kill, *arguments)
    hung = False
    if meanwhile is not None and process.pid is not None:
        meanwhile(process.pid)
    if kill is not None and kill.point is None:
        wait([process.sentinel], kill.seconds)
        if process.is_alive() and process.pid is not None:
            strike(kill.method, process.pid, scene.victim)
    if not wait([process.sentinel], MAX_SECONDS):
        hung = True
        process.kill()
    process.join()
    outcome = folder / "outcome.json"
    message = json.loads(outcome.read_text())["message"] if outcome.exists() else ""
    code = process.exitcode if process.exitcode is not None else -9
    return Ending(code, message, read_trail(folder / "trail"), time.monotonic() - begin, hung)


def _enter(target: Callable[..., None], scene: Scene, kill: Kill | None, *arguments: Any) -> None:
    """Runs in the new process."""
    folder = scene.folder
    output = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", 0), write_through=True)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0), write_through=True)
    # a process that was started in the background has it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    trail = Trail(folder / "trail")
    try:
        target(scene, trail, kill, *arguments)
    except BaseException as error:
        traceback.print_exc()
        code = getattr(error, "exit_code", 2)
        message = f"{type(error).__name__}: {error}"
        (folder / "outcome.json").write_text(json.dumps({"message": message}))
        # not through the interpreter's exit: it would wait for threads that retry
        os._exit(code)
    os._exit(0)


def _load(scene: Scene, trail: Trail, kill: Kill | None, now: datetime) -> None:
    from ingestion.landing import load as landing  # noqa: PLC0415
    from warehouse.run_lock import hold_run_lock  # noqa: PLC0415

    os.environ["LISTENHOUSE_HOME"] = str(scene.settings.home)
    os.umask(PRIVATE_UMASK)
    watch(trail, kill, scene.victim)
    landing.datetime = _clock(now)  # type: ignore[attr-defined]
    with hold_run_lock(scene.settings) as lock:
        landing.load(scene.settings, lock)
    trail.note("done", "done")


def _clock(start: datetime) -> type[datetime]:
    """A clock that says what it is told, so that two runs of a day have the same date."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            moment = start.astimezone(tz)
            return cls.fromtimestamp(moment.timestamp(), tz)

    return Clock


def _build(scene: Scene, trail: Trail, kill: Kill | None, arguments: tuple[str, ...]) -> None:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415
    from dbt_common.events.base_types import EventMsg  # noqa: PLC0415

    passed = pass_points(trail, kill, scene.victim)

    def on_event(event: EventMsg) -> None:
        if event.info.name == "LogStartLine":
            passed("dbt build", event.data.description)

    os.environ["LISTENHOUSE_DATABASE_URL"] = scene.settings.database_url
    # what a build that died leaves is to be seen
    os.environ["DBT_TARGET"] = IN_PLACE
    os.environ["DBT_TARGET_PATH"] = str(scene.folder / "target")
    os.environ["DBT_LOG_PATH"] = str(scene.folder / "logs")
    os.chdir(PROJECT_ROOT)
    trail.note("dbt parse", "start")
    outcome = dbtRunner(callbacks=[on_event]).invoke(["--quiet", *_WITHOUT_FILES, *arguments])
    if not outcome.success:
        failed = [
            f"{result.node.name}: {result.message}"
            for result in getattr(outcome.result, "results", [])
            if str(result.status) in {"error", "fail"}
        ]
        raise StepFailedError(f"dbt failed: {outcome.exception or ''} {'; '.join(failed)}")
    trail.note("done", "done")


def copy_folder(source: Path, target: Path) -> None:
    """Makes one folder what another is; a source that is not there makes it go."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)
