"""What a first load costs: ours, dlt's rest_api, requests + pandas, and the floor.

    python -m benchmarks.landing [--rows 260000] [--rounds 3] [--only listenhouse]

Serves the rows from the simulator, lets each contender load them into an empty database, one
after the other, round by round, and prints the median of each and its ratio to ours. CPU is
that of the contender's process; what PostgreSQL spends for it stands beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import requests

from benchmarks.landing_contenders import CONTENDERS
from benchmarks.process_cost import Cost, measure
from operations.services import embedded_postgres
from warehouse.settings import PROJECT_ROOT, Settings

POSTGRES_PORT = 25491
SIMULATOR_PORT = 25492


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=260_000, help="over all three endpoints")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CONTENDERS, action="append")
    options = parser.parse_args()
    names = options.only or list(CONTENDERS)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings)
        try:
            with serving(options.rows) as api_url:
                for round_number in range(options.rounds):
                    for name in names:
                        print(f"round {round_number + 1}: {name}", file=sys.stderr)
                        costs[name].append(_measure(name, api_url, settings, Path(folder)))
        finally:
            embedded_postgres.stop(settings)
    print(f"{options.rows:,} rows, median of {options.rounds}")
    print(
        f"{'':12}{'wall s':>8}{'CPU s':>8}{'PostgreSQL CPU s':>18}{'peak MB':>9}{'CPU / ours':>12}"
    )
    ours = _median(costs, "listenhouse", "cpu_seconds") if "listenhouse" in costs else None
    for name in names:
        cpu = _median(costs, name, "cpu_seconds")
        ratio = f"{cpu / ours:>12.2f}" if ours else ""
        print(
            f"{name:12}{_median(costs, name, 'wall_seconds'):>8.1f}{cpu:>8.1f}"
            f"{_median(costs, name, 'server_cpu_seconds'):>18.1f}"
            f"{_median(costs, name, 'peak_mb'):>9.0f}{ratio}"
        )


def _median(costs: dict[str, list[Cost]], name: str, figure: str) -> float:
    return float(statistics.median(getattr(cost, figure) for cost in costs[name]))


def _measure(name: str, api_url: str, settings: Settings, folder: Path) -> Cost:
    server = settings.database_url.rsplit("/", 1)[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("drop database if exists contest with (force)")
        connection.execute("create database contest")
    state = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "benchmarks.landing_contenders", name, api_url]
    command += [f"{server}/contest", str(state)]
    # where ours looks for all that the others are told
    ours = {
        "LISTENHOUSE_API_URL": api_url,
        "LISTENHOUSE_DATABASE_URL": f"{server}/contest",
        "LISTENHOUSE_HOME": str(state),
    }
    return measure(command, settings, os.environ | ours)


@contextmanager
def serving(rows: int) -> Iterator[str]:
    """Serves so many rows over all three endpoints, from a process of its own.

    Args:
        rows: How many.

    Yields:
        The API's URL.
    """
    users = rows * 5 // 13
    tracks = rows - 2 * users
    command = [sys.executable, "-m", "simulator", "--port", str(SIMULATOR_PORT)]
    command += ["--users", str(users), "--tracks", str(tracks), "--listens", str(users * 5)]
    url = f"http://127.0.0.1:{SIMULATOR_PORT}"
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                requests.get(f"{url}/users", params={"size": 1}, timeout=5)
            except requests.ConnectionError:
                time.sleep(0.2)
            else:
                break
        yield url
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
