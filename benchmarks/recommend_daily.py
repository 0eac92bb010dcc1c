"""What the daily calculation takes at 100,000 users, 50,000 tracks and 5 million listens.

    python -m benchmarks.recommend_daily

In: nothing but the installed project. Out: a table in Markdown on standard output: wall time,
CPU and peak memory of `listenhouse recommend`, and of PostgreSQL meanwhile: a first day, that day
again, the next day, for each of four champions; exit code 1 when one takes more memory than is
promised. Marts are made as `benchmarks.recommender_size` does, on an embedded server of its own;
the champion is fitted to them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg

from benchmarks.process_cost import measure
from benchmarks.recommender_size import LISTENS, TRACKS, USERS, fill_marts
from operations.services import embedded_postgres
from recommender.interactions import read_interactions
from recommender.panel import PANEL, blend
from recommender.recommend import SOURCE_NAME
from recommender.registry import CHAMPION, open_registry
from recommender.tables import create_tables
from warehouse.settings import Settings

POSTGRES_PORT = 25496
MEMORY_MB = 1500
_BY_NAME = {candidate.name: candidate for candidate in PANEL}
_BLEND = blend(_BY_NAME["ridge-30"], _BY_NAME["als-64"], 1.0)
CHAMPIONS = {
    candidate.name: candidate
    for candidate in (
        *(_BY_NAME[name] for name in ("popularity", "bm25-k100-log", "als-64")),
        _BLEND,
    )
}
DAYS = {"first": "2026-03-02", "again": "2026-03-02", "next": "2026-03-03"}


def main() -> None:
    """Runs the benchmark and prints its table."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings)
        try:
            _in_own_process(folder, "fill")
            print(f"{USERS:,} users, {TRACKS:,} tracks, {LISTENS:,} listens\n")
            print("| champion | day | wall s | CPU s | peak MB | PostgreSQL CPU s |")
            print("|---|---|---:|---:|---:|---:|")
            peaks = [peak for name in CHAMPIONS for peak in _measure_days(folder, settings, name)]
        finally:
            embedded_postgres.stop(settings)
    sys.exit(max(peaks) > MEMORY_MB)


def _measure_days(folder: str, settings: Settings, champion: str) -> Iterator[float]:
    """Prints what each day costs, and yields its peak memory."""
    _in_own_process(folder, champion)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("truncate recommendations.recommendations")
        connection.execute("truncate recommendations.popularity_shadow")
        connection.execute("vacuum analyze")
    environment = os.environ | {
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_PORT": str(POSTGRES_PORT),
    }
    command = [str(Path(sys.executable).parent / "listenhouse"), "recommend", "--date"]
    for day, date in DAYS.items():
        cost = measure([*command, date], settings, environment)
        print(
            f"| {champion} | {day} | {cost.wall_seconds:.1f} | {cost.cpu_seconds:.1f} | "
            f"{cost.peak_mb:.0f} | {cost.server_cpu_seconds:.1f} |",
            flush=True,
        )
        yield cost.peak_mb


def _in_own_process(folder: str, task: str) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks.recommend_daily", folder, task], check=True)


def _crown(settings: Settings, name: str) -> None:
    """Fits a candidate to the marts and makes it champion."""
    candidate = CHAMPIONS[name]
    interactions = read_interactions(settings, SOURCE_NAME)
    model = candidate.fit(interactions.plays, 1)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        create_tables(connection)
        registry = open_registry(settings, connection, SOURCE_NAME)
        training_id = uuid4()
        connection.execute(
            "insert into recommendations.trainings (training_id, source_name, reason, seed,"
            " status, code_version, started_at) values (%s, %s, 'manual', 1, 'succeeded', '0',"
            " now())",
            (training_id, SOURCE_NAME),
        )
        version = registry.register(
            model, candidate, interactions.track_ids, training_id, interactions.data_cutoff
        )
        registry.point(CHAMPION, version)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    _settings = Settings(home=Path(sys.argv[1]) / "home", embedded_port=POSTGRES_PORT)
    if sys.argv[2] == "fill":
        fill_marts(_settings)
    else:
        _crown(_settings, sys.argv[2])
