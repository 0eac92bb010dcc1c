"""What the lake costs: the first publication, a day with 1 % changes, one with none.

    python -m benchmarks.lake [--listens 1000000]

In: nothing but the installed project, with the extra `lake`. Out: for each size a table on standard
output: wall time, CPU of the process, CPU of PostgreSQL and peak memory, each a process of its own.
"Read" is the same rows read over ADBC and let go, which a first publication costs at least. Ratios
are of all CPU, to that reading and to the first publication. `--read` is that process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.process_cost import Cost, measure
from benchmarks.simulated_days import DAYS, make_database, world_of
from lake.snapshot import reading
from lake.warehouse_tables import find_boundary, find_tables
from operations.lakehouse import landing_tables
from operations.services import embedded_postgres
from simulator import World, create_app, running
from warehouse.settings import Settings, read_settings

POSTGRES_PORT = 25497
BUILD = (
    *("dbt", "--quiet", "build", "--exclude-resource-type", "test", "unit_test"),
    *("--vars", "{publish: untested}"),
)
PUBLISH = ("listenhouse", "lake", "publish")
READ = (sys.executable, "-m", "benchmarks.lake", "--read")


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--listens", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--read", action="store_true", help="read all rows, and nothing else")
    options = parser.parse_args()
    if options.read:
        _read(read_settings())
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings, {"autovacuum": "off"})
        try:
            for listens in options.listens:
                _measure_days(settings, Path(folder), listens)
        finally:
            embedded_postgres.stop(settings)


def _read(settings: Settings) -> None:
    """Reads what a first publication reads."""
    landing = landing_tables(settings)
    with reading(settings) as snapshot:
        for source in find_tables(snapshot, landing, find_boundary(snapshot)):
            for _ in snapshot.chunks(source.select(), source.schema):
                pass


def _measure_days(settings: Settings, folder: Path, listens: int) -> None:
    environment = make_database(settings, folder, f"listens_{listens}")
    lake = Path(environment["LISTENHOUSE_HOME"]) / "lake"
    environment["LISTENHOUSE_LAKE"] = str(lake)
    costs: dict[str, Cost] = {}
    app = create_app(World.at(0, world_of(listens)))
    with running(app) as url:
        environment["LISTENHOUSE_API_URL"] = url
        for day in DAYS:
            if day == "1 %":
                app.state.world = app.state.world.advance()
            if day != "none":
                _run(settings, environment, sys.executable, "-m", "ingestion")
                _run(settings, environment, *BUILD)
            costs[day] = _run(settings, environment, *PUBLISH)
            if day == "first":
                costs["read"] = _run(settings, environment, *READ)
    size = sum(file.stat().st_size for file in lake.rglob("*.parquet"))
    print(f"\n{listens:,} listens; {size / 1e6:,.0f} MB of Parquet after two publications")
    print(f"{'':8}{'wall s':>8}{'CPU s':>8}{'PG CPU s':>10}{'/ read':>8}{'/ first':>9}{'MB':>6}")
    for step in ("read", *DAYS):
        cost = costs[step]
        print(
            f"{step:8}{cost.wall_seconds:>8.1f}{cost.cpu_seconds:>8.1f}"
            f"{cost.server_cpu_seconds:>10.2f}{_cpu(cost) / _cpu(costs['read']):>8.0%}"
            f"{_cpu(cost) / _cpu(costs['first']):>9.0%}{cost.peak_mb:>6.0f}"
        )
    sys.stdout.flush()


def _run(settings: Settings, environment: dict[str, str], *command: str) -> Cost:
    print(" ".join(command[:4]), file=sys.stderr)
    return measure(command, settings, environment)


def _cpu(cost: Cost) -> float:
    return cost.cpu_seconds + cost.server_cpu_seconds


if __name__ == "__main__":
    main()
