"""What a run's log costs: a first load with it and without, in turn.

    python -m benchmarks.run_log [--rows 260000] [--rounds 5]

In: nothing but the installed project. Out: medians of wall time and CPU of `python -m ingestion`
with its log file and with `LISTENHOUSE_LOG_FILES=0`, each into an empty database, and the size of
the file. What imports cost is in both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import psycopg

from benchmarks.landing import POSTGRES_PORT, serving
from benchmarks.process_cost import Cost, measure
from operations.services import embedded_postgres
from warehouse.settings import Settings

WAYS = {"with": "60", "without": "0"}


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=260_000, help="over all three endpoints")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings)
        try:
            with serving(options.rows) as api_url:
                for number in range(options.rounds):
                    # who comes second finds a warmer machine
                    for way in sorted(WAYS, reverse=bool(number % 2)):
                        print(f"round {number + 1}: {way}", file=sys.stderr)
                        costs[way].append(_measure(way, api_url, settings))
        finally:
            embedded_postgres.stop(settings)
        sizes = [path.stat().st_size for path in settings.log_directory.iterdir()]
    print(f"{options.rows:,} rows, median of {options.rounds}; a file of {max(sizes):,} bytes")
    print(f"{'':10}{'wall s':>8}{'CPU s':>8}")
    for way, measured in costs.items():
        wall = statistics.median(cost.wall_seconds for cost in measured)
        cpu = statistics.median(cost.cpu_seconds for cost in measured)
        print(f"{way:10}{wall:>8.2f}{cpu:>8.2f}")


def _measure(way: str, api_url: str, settings: Settings) -> Cost:
    server = settings.database_url.rsplit("/", 1)[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("drop database if exists contest with (force)")
        connection.execute("create database contest")
    environment = os.environ | {
        "LISTENHOUSE_API_URL": api_url,
        "LISTENHOUSE_DATABASE_URL": f"{server}/contest",
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_LOG_FILES": WAYS[way],
    }
    return measure([sys.executable, "-m", "ingestion"], settings, environment)


if __name__ == "__main__":
    main()
