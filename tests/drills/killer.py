"""Stops a run at a chosen point, and notes which points it passed.

In: a plan, in the process that is to die. Out: a trail on disk that outlives the process, and
its death. Points are calls of functions along the way of a load; a plan names one and the
number of the call. What lies between two points is hit by the clock: see `processes`.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

POINTS: tuple[tuple[str, str], ...] = (
    ("crawl", "ingestion.crawl.pages:PageReader.read"),
    ("crawl", "ingestion.crawl.spool:Spool.append"),
    ("compare", "ingestion.landing.load:_read_landed"),
    ("compare", "ingestion.landing.load:_find_carried"),
    ("abort", "dlt.pipeline.pipeline:Pipeline.abort_packages"),
    ("extract", "dlt.pipeline.pipeline:Pipeline.extract"),
    ("extract", "dlt.common.storages.load_package:PackageStorage.create_package"),
    ("normalise", "dlt.pipeline.pipeline:Pipeline.normalize"),
    ("normalise", "dlt.normalize.normalize:Normalize.spool_schema_files"),
    ("load", "dlt.pipeline.pipeline:Pipeline.load"),
    ("load", "dlt.load.load:Load.initialize_package"),
    ("load", "dlt.common.storages.load_package:PackageStorage.start_job"),
    ("load", "dlt.destinations._adbc_jobs:AdbcParquetCopyJob.run"),
    ("load", "dlt.destinations.impl.postgres.sql_client:Psycopg2SqlClient.execute_query"),
    ("merge", "dlt.destinations.job_client_impl:SqlLoadJob.run"),
    ("merge", "dlt.destinations.impl.postgres.sql_client:Psycopg2SqlClient.commit_transaction"),
    ("load", "dlt.common.storages.load_package:PackageStorage.complete_job"),
    ("load", "dlt.load.load:Load.complete_package"),
    ("load", "dlt.common.storages.load_package:PackageStorage.complete_loading_package"),
    ("secure", "ingestion.landing.load:_secure_tables"),
    ("commit", "ingestion.landing.load:record_rejections"),
    ("commit", "ingestion.landing.load:commit_crawl"),
    ("report", "ingestion.landing.load:_count_versions"),
)
"""Step and function; each gives two points, before and after the call."""

METHODS = ("kill", "terminate", "interrupt", "disconnect", "crash", "sleep")
"""SIGKILL, SIGTERM, Ctrl-C, every connection dropped, PostgreSQL dead at once, a laptop that
sleeps while the server gives up on its connections."""


@dataclass(frozen=True)
class Kill:
    """When and how a run is stopped.

    Attributes:
        method: One of `METHODS`.
        point: A function of `POINTS` with `before ` or `after ` in front, or a dbt model;
            None to go by the clock.
        call: The number of the call, from 1.
        seconds: How long after its start, when it goes by the clock.
    """

    method: str
    point: str | None = None
    call: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Victim:
    """What a method needs to know of the run it stops.

    Attributes:
        database_url: The warehouse.
        postmaster_file: `postmaster.pid` of its server.
    """

    database_url: str
    postmaster_file: Path


class Trail:
    """The points that a process passed, one line each, on disk before the point is passed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, step: str, point: str) -> None:
        """Appends a point."""
        os.write(self._file, f"{step}\t{point}\n".encode())


def read_trail(path: Path) -> list[tuple[str, str]]:
    """Steps and points passed, in order."""
    if not path.exists():
        return []
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [(parts[0], parts[1]) for parts in lines if len(parts) == 2]


def watch(trail: Trail, kill: Kill | None, victim: Victim) -> None:
    """Wraps every point of this process.

    Args:
        trail: Where to note the points.
        kill: Where to stop; None, or one by the clock, to note only.
        victim: What to stop.
    """
    passed = pass_points(trail, kill, victim)
    for step, target in POINTS:
        module_name, _, path = target.partition(":")
        owner: Any = importlib.import_module(module_name)
        *owners, name = path.split(".")
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, name, _watched(getattr(owner, name), step, target, passed))


def pass_points(trail: Trail, kill: Kill | None, victim: Victim) -> Callable[[str, str], None]:
    """Makes the function to call at each point; it strikes at the one that is planned."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def passed(step: str, point: str) -> None:
        with lock:
            trail.note(step, point)
            counts[point] += 1
            struck = kill is not None and (kill.point, kill.call) == (point, counts[point])
        if struck and kill is not None:
            strike(kill.method, os.getpid(), victim)

    return passed


def _watched(
    function: Callable[..., Any], step: str, target: str, passed: Callable[[str, str], None]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        passed(step, f"before {target}")
        result = function(*arguments, **named)
        passed(step, f"after {target}")
        return result

    return watched


def strike(method: str, pid: int, victim: Victim) -> None:
    """Stops a run.

    Args:
        method: One of `METHODS`.
        pid: Its process.
        victim: What it uses.
    """
    if method == "kill":
        os.kill(pid, signal.SIGKILL)
    elif method == "terminate":
        os.kill(pid, signal.SIGTERM)
    elif method == "interrupt":
        os.kill(pid, signal.SIGINT)
    elif method == "disconnect":
        drop_connections(victim)
    elif method == "crash":
        crash_server(victim)
    elif method == "sleep" and pid != os.getpid():
        os.kill(pid, signal.SIGSTOP)
        drop_connections(victim)
        os.kill(pid, signal.SIGCONT)
    elif method == "sleep":
        # asleep at a point: it is the server that does something meanwhile
        drop_connections(victim)
    else:
        raise ValueError(f"no method is called {method!r}")


def drop_connections(victim: Victim) -> None:
    """Ends every session of the database, as a restarted firewall or server does."""
    administration, _, database = victim.database_url.rpartition("/")
    with psycopg.connect(f"{administration}/postgres", autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s",
            (database,),
        )


def crash_server(victim: Victim) -> None:
    """Ends the server without a checkpoint: it has to recover when it starts again."""
    postmaster = int(victim.postmaster_file.read_text().splitlines()[0])
    # immediate shutdown: every backend dies at once
    process = psutil.Process(postmaster)
    process.send_signal(signal.SIGQUIT)
    process.wait(30)
