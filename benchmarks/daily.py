"""What a day costs, by how much changed: the first load, a day with 1 % changes, one with none.

    python -m benchmarks.daily [--listens 100 100000 1000000] [--steps load …] [--details]

In: nothing but the installed project. Out: for each size a table on standard output: wall
time, CPU of the process, CPU of PostgreSQL and peak memory of the whole day (`listenhouse run`,
without recommendations), of the same day built in place, which has no publication, then of its
parts, each a process of its own: the load, the models (`dbt build` without tests), the tests
(those that a run has) and `vacuum analyze`; and the ratios to the first day, of PostgreSQL's CPU
and of all CPU. The smallest size shows what dbt and PostgreSQL take whatever there is to do. Each
size has a database for the whole day, one for that in place and one for the parts, on one
embedded server. The server vacuums when told to, not by itself: what autovacuum does at night
would be charged to whichever step runs just then. After the whole day readers' queries are timed on
what is published and on its candidates, and the schemas measured. The plan of the merge is read at
every size; the benchmark fails when it scans one table once for every row of the other.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.merge_plan import merge_plans, refuse_nested_scans
from benchmarks.process_cost import Cost, measure
from benchmarks.readers import print_readers
from benchmarks.simulated_days import DAYS, make_database, world_of
from operations.services import embedded_postgres
from simulator import World, create_app, running
from warehouse.settings import Settings

POSTGRES_PORT = 25493
WHOLE_DAY = "day"
IN_PLACE = "in_place"
STEPS = {
    WHOLE_DAY: ("listenhouse", "run", "--no-alerts"),
    IN_PLACE: ("listenhouse", "run", "--no-alerts"),
    "load": (sys.executable, "-m", "ingestion"),
    "models": ("dbt", "--quiet", "build", "--exclude-resource-type", "test", "unit_test"),
    "tests": (sys.executable, "-m", "benchmarks.audit"),
    "vacuum": (sys.executable, "-m", "benchmarks.vacuum"),
}


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--listens", type=int, nargs="+", default=[100, 100_000, 1_000_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="only these")
    parser.add_argument(
        "--details", action="store_true", help="seconds of each model, day by day, as well"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        # the merge's statements are read from the server's log
        embedded_postgres.start(settings, {"log_statement": "mod", "autovacuum": "off"})
        try:
            for listens in options.listens:
                parts = [step for step in options.steps if step not in (WHOLE_DAY, IN_PLACE)]
                for whole in (WHOLE_DAY, IN_PLACE):
                    if whole in options.steps:
                        steps = [whole, "vacuum"]
                        _measure_days(settings, Path(folder), listens, steps, details=False)
                if parts:
                    _measure_days(settings, Path(folder), listens, parts, details=options.details)
        finally:
            embedded_postgres.stop(settings)


def _measure_days(
    settings: Settings, folder: Path, listens: int, steps: Sequence[str], *, details: bool
) -> None:
    """Measures the three days of one size, and prints them."""
    name = f"listens_{listens}_{steps[0]}"
    environment = make_database(settings, folder, name) | {
        "LISTENHOUSE_RECOMMEND": "no",
        # the parts leave out the publication, too
        "DBT_TARGET": "default" if steps[0] == WHOLE_DAY else IN_PLACE,
    }
    url_of_database = environment["LISTENHOUSE_DATABASE_URL"]
    costs: dict[tuple[str, str], Cost] = {}
    models: dict[str, dict[str, float]] = {}
    app = create_app(World.at(0, world_of(listens)))
    load_before = os.getloadavg()[0]
    with running(app) as url:
        environment["LISTENHOUSE_API_URL"] = url
        for day in DAYS:
            if day == "1 %":
                app.state.world = app.state.world.advance()
            for step in steps:
                print(f"{listens:,} listens, {day}: {step}", file=sys.stderr)
                costs[day, step] = measure(STEPS[step], settings, environment)
                if step == "models":
                    models[day] = _model_seconds(Path(environment["DBT_TARGET_PATH"]))
    log = settings.postgres_directory / "server.log"
    refuse_nested_scans(merge_plans(url_of_database, log))
    print(f"\n{listens:,} listens; load average {load_before:.1f} before; the merge is linear")
    print(
        f"{'':16}{'wall s':>8}{'CPU s':>8}{'PG CPU s':>10}{'/ first':>9}{'all CPU':>9}"
        f"{'MB':>7}{'PG MB':>7}"
    )
    for day in DAYS:
        for step in steps:
            cost, first = costs[day, step], costs["first", step]
            ratio = cost.server_cpu_seconds / max(first.server_cpu_seconds, 0.01)
            ratio_of_all = (cost.cpu_seconds + cost.server_cpu_seconds) / (
                first.cpu_seconds + first.server_cpu_seconds
            )
            print(
                f"{day:8}{step:8}{cost.wall_seconds:>8.1f}{cost.cpu_seconds:>8.1f}"
                f"{cost.server_cpu_seconds:>10.2f}{ratio:>9.1%}{ratio_of_all:>9.1%}"
                f"{cost.peak_mb:>7.0f}{cost.server_peak_mb:>7.0f}"
            )
    if steps[0] == WHOLE_DAY:
        print_readers(url_of_database)
    if details and "models" in steps:
        print(f"\n{'seconds':34}" + "".join(f"{day:>8}" for day in DAYS))
        for model in sorted(models["first"], key=lambda model: -models["first"][model]):
            figures = "".join(f"{models[day].get(model, 0):>8.2f}" for day in DAYS)
            print(f"{model:34}{figures}")
    sys.stdout.flush()


def _model_seconds(target: Path) -> dict[str, float]:
    results = json.loads((target / "run_results.json").read_text())["results"]
    return {
        result["unique_id"].rsplit(".", 1)[1]: result["execution_time"]
        for result in results
        if result["unique_id"].startswith("model.")
    }


if __name__ == "__main__":
    main()
