"""What a stretch of work takes from the machine: CPU, memory, bytes read and written.

In: the time between two calls. Out: figures of this process; its CPU time has that of children
that ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_SAMPLING_SECONDS = 0.2


@dataclass
class ResourceUsage:
    """What was used; filled when the work is over.

    Attributes:
        cpu_seconds: User and system time of this process and of children that ended.
        peak_memory_bytes: Largest resident memory of this process seen.
        read_bytes: Read from disk, None where the system does not say.
        written_bytes: Written to disk, None where the system does not say.
    """

    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    read_bytes: int | None = None
    written_bytes: int | None = None


@contextmanager
def measured() -> Iterator[ResourceUsage]:
    """Measures this process while the block runs.

    Yields:
        The usage, complete when the block is left.
    """
    process = psutil.Process()
    usage = ResourceUsage()
    is_over = threading.Event()

    def sample() -> None:
        while True:
            usage.peak_memory_bytes = max(usage.peak_memory_bytes, process.memory_info().rss)
            if is_over.wait(_SAMPLING_SECONDS):
                return

    sampler = threading.Thread(target=sample, name="resource-usage", daemon=True)
    cpu_before, bytes_before = _cpu_seconds(process), _disk_bytes(process)
    sampler.start()
    try:
        yield usage
    finally:
        is_over.set()
        sampler.join()
        usage.cpu_seconds = _cpu_seconds(process) - cpu_before
        bytes_after = _disk_bytes(process)
        if bytes_before is not None and bytes_after is not None:
            usage.read_bytes = bytes_after[0] - bytes_before[0]
            usage.written_bytes = bytes_after[1] - bytes_before[1]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _disk_bytes(process: psutil.Process) -> tuple[int, int] | None:
    # macOS does not tell
    if not hasattr(process, "io_counters"):
        return None
    counters = process.io_counters()
    return int(counters.read_bytes), int(counters.write_bytes)
