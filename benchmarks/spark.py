"""What the same models cost on PostgreSQL and on Spark: the first day, and one with 1 % changes.

    python -m benchmarks.spark [--listens 1000000] [--master 'local[2]'] [--memory 4g]

In: the installed project, with what `make spark` installs. Out: for each size a table on standard
output: wall time, CPU of dbt with Spark, and of PostgreSQL meanwhile; then the models that cost
most of a first day, with the CPU of Spark's tasks and what they shuffled. Without tests.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.process_cost import server_cpu
from benchmarks.simulated_days import DAYS, make_database, world_of
from operations.services import embedded_postgres
from simulator import World, create_app, running
from warehouse.settings import PROJECT_ROOT, Settings

POSTGRES_PORT = 25498
LISTENING = ("+marts.listening", "+marts.features", "+marts.reports")
POSTGRES = (
    *("dbt", "--quiet", "build", "--exclude-resource-type", "test", "unit_test"),
    *("--select", *LISTENING),
)
PUBLISHED = (
    *("dbt", "--quiet", "build", "--exclude-resource-type", "test", "unit_test"),
    *("--vars", "{publish: untested}"),
)
SPARK = ("spark/.venv/bin/dbt", "--quiet", "build", "--target", "spark", *POSTGRES[3:])

_SAMPLING_SECONDS = 0.1
_COSTLY = 8


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes:
        wall_seconds: From start to end.
        cpu_seconds: Of the process and all that it started.
        server_cpu_seconds: Of PostgreSQL, meanwhile.
    """

    wall_seconds: float
    cpu_seconds: float
    server_cpu_seconds: float


@dataclass
class ModelCost:
    """What a model cost.

    Attributes:
        seconds: Wall time.
        task_cpu_seconds: CPU of Spark's tasks.
        shuffled_mb: What they wrote for each other.
    """

    seconds: float
    task_cpu_seconds: float = 0
    shuffled_mb: float = 0


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--listens", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--master", default="local[2]", help="where Spark runs")
    parser.add_argument("--memory", default="4g", help="of Spark's process")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "events").mkdir()
        (folder / "spark-defaults.conf").write_text(
            f"spark.driver.memory {options.memory}\nspark.eventLog.enabled true\n"
            f"spark.eventLog.dir file://{folder}/events\nspark.eventLog.compress false\n"
            "spark.eventLog.rolling.enabled false\n"
        )
        settings = Settings(home=folder / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings, {"autovacuum": "off"})
        try:
            for listens in options.listens:
                _measure_days(settings, folder, listens, options.master)
        finally:
            embedded_postgres.stop(settings)


def _measure_days(settings: Settings, folder: Path, listens: int, master: str) -> None:
    environment = make_database(settings, folder, f"listens_{listens}") | {
        "LISTENHOUSE_LAKE": str(folder / f"lake_{listens}"),
        "LISTENHOUSE_SPARK_MASTER": master,
        "SPARK_CONF_DIR": str(folder),
    }
    costs: dict[tuple[str, str], Cost] = {}
    models: dict[str, dict[str, ModelCost]] = {}
    app = create_app(World.at(0, world_of(listens)))
    with running(app) as url:
        environment["LISTENHOUSE_API_URL"] = url
        for day in DAYS[:2]:
            if day != "first":
                app.state.world = app.state.world.advance()
            _run(settings, environment, sys.executable, "-m", "ingestion")
            costs["PostgreSQL", day] = _run(settings, environment, *POSTGRES)
            on_postgres = _models(environment)
            # what people read has to be there for the lake to have it
            _run(settings, environment, *PUBLISHED)
            _run(settings, environment, "listenhouse", "lake", "publish")
            costs["Spark", day] = _run(settings, environment, *SPARK)
            if day == "first":
                models = {"PostgreSQL": on_postgres, "Spark": _models(environment)}
                _add_tasks(models["Spark"], environment, folder / "events")
    print(f"\n{listens:,} listens; Spark on {master}")
    print(f"{'':20}{'wall s':>8}{'CPU s':>8}{'PG CPU s':>10}")
    for (engine, day), cost in costs.items():
        print(
            f"{engine + ', ' + day:20}{cost.wall_seconds:>8.1f}{cost.cpu_seconds:>8.1f}"
            f"{cost.server_cpu_seconds:>10.1f}"
        )
    print(f"\n{'first day':32}{'PG s':>8}{'Spark s':>9}{'task CPU s':>12}{'shuffled MB':>13}")
    costly = sorted(models["Spark"].items(), key=lambda item: -item[1].seconds)
    for name, model in costly[:_COSTLY]:
        print(
            f"{name:32}{models['PostgreSQL'][name].seconds:>8.1f}{model.seconds:>9.1f}"
            f"{model.task_cpu_seconds:>12.1f}{model.shuffled_mb:>13.1f}"
        )
    total = models["Spark"].values()
    print(
        f"{'all':32}{sum(one.seconds for one in models['PostgreSQL'].values()):>8.1f}"
        f"{sum(one.seconds for one in total):>9.1f}"
        f"{sum(one.task_cpu_seconds for one in total):>12.1f}"
        f"{sum(one.shuffled_mb for one in total):>13.1f}"
    )
    sys.stdout.flush()


def _run(settings: Settings, environment: Mapping[str, str], *command: str) -> Cost:
    """Runs a command to its end; exits where it fails."""
    print(" ".join(command[:5]), file=sys.stderr)
    server_before = server_cpu(settings)
    begin = time.perf_counter()
    process = psutil.Popen(
        command, cwd=PROJECT_ROOT, env=dict(environment), stdout=sys.stderr, stderr=None
    )
    used: dict[int, float] = {}
    while process.poll() is None:
        # nobody waits for Spark's own process, so that its CPU is seen while it is there
        for one in _family(process):
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used[one.pid] = times.user + times.system
        time.sleep(_SAMPLING_SECONDS)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed")
    return Cost(
        time.perf_counter() - begin, sum(used.values()), server_cpu(settings) - server_before
    )


def _family(process: psutil.Process) -> Sequence[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _results(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    file = Path(environment["DBT_TARGET_PATH"]) / "run_results.json"
    results: list[dict[str, Any]] = json.loads(file.read_text())["results"]
    return results


def _models(environment: Mapping[str, str]) -> dict[str, ModelCost]:
    """What the models of the last command of dbt cost."""
    return {
        result["unique_id"].split(".")[2]: ModelCost(result["execution_time"])
        for result in _results(environment)
    }


def _add_tasks(models: dict[str, ModelCost], environment: Mapping[str, str], events: Path) -> None:
    """Adds what Spark's tasks cost to the model that was built when they ended."""
    spans = []
    for result in _results(environment):
        executed = next(part for part in result["timing"] if part["name"] == "execute")
        begin, end = (
            datetime.fromisoformat(executed[key]).timestamp() * 1000
            for key in ("started_at", "completed_at")
        )
        spans.append((begin, end, result["unique_id"].split(".")[2]))
    newest = max(events.rglob("*"), key=lambda path: path.stat().st_mtime if path.is_file() else 0)
    # not splitlines: SQL in the events has other characters that end lines; and as dbt leaves
    # without ending the session, the last line may be cut
    for line in newest.read_text().split("\n")[:-1]:
        event = json.loads(line)
        if event["Event"] != "SparkListenerTaskEnd" or "Task Metrics" not in event:
            continue
        ended_at = event["Task Info"]["Finish Time"]
        metrics = event["Task Metrics"]
        for begin, end, name in spans:
            if begin <= ended_at <= end:
                models[name].task_cpu_seconds += metrics["Executor CPU Time"] / 1e9
                written = metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
                models[name].shuffled_mb += written / 1e6


if __name__ == "__main__":
    main()
