"""What a process costs, and PostgreSQL meanwhile.

In: a command, and an embedded server. Out: wall time, CPU and peak memory of both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from warehouse.settings import PROJECT_ROOT, Settings

_SAMPLING_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """What a process cost.

    Attributes:
        wall_seconds: From start to end of the process.
        cpu_seconds: Of the process.
        server_cpu_seconds: Of PostgreSQL, meanwhile.
        peak_mb: Largest resident memory of the process.
        server_peak_mb: Largest memory of PostgreSQL's processes, shared buffers left out.
    """

    wall_seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak_mb: float
    server_peak_mb: float


def measure(
    command: Sequence[str], settings: Settings, environment: Mapping[str, str] | None = None
) -> Cost:
    """Runs a command to its end, from the repository's root; exits where it fails.

    Args:
        command: Program and arguments.
        settings: Whose embedded server is measured.
        environment: Variables in place of those of this process.

    Returns:
        What it cost.
    """
    server_before = server_cpu(settings)
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    with _sampled_memory(psutil.Process(process.pid), settings) as samples:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    return Cost(
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        server_cpu_seconds=server_cpu(settings) - server_before,
        # not ru_maxrss: it counts what this process had at the fork
        peak_mb=max((own for own, _ in samples), default=0.0),
        server_peak_mb=max((server for _, server in samples), default=0.0),
    )


def _postmaster(settings: Settings) -> psutil.Process:
    pid_file = settings.postgres_directory / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text().splitlines()[0]))


def server_cpu(settings: Settings) -> float:
    """CPU of the server's processes, those that have ended included."""
    postmaster = _postmaster(settings)
    own = postmaster.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in postmaster.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


@contextmanager
def _sampled_memory(
    process: psutil.Process, settings: Settings
) -> Iterator[list[tuple[float, float]]]:
    """Megabytes while the block runs: of the process, and of the server's processes."""
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def sample() -> None:
        postmaster = _postmaster(settings)
        while not done.wait(_SAMPLING_SECONDS):
            own = server = 0
            for one in (process, *postmaster.children()):
                try:
                    memory = one.memory_info()
                except psutil.NoSuchProcess:
                    continue
                if one is process:
                    own = memory.rss
                else:
                    server += memory.rss - memory.shared
            samples.append((own / 1e6, server / 1e6))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        done.set()
        sampler.join()
