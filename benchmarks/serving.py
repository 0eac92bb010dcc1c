"""What the API answers in a second: lists of random users, popular tracks, and a bare `/healthz`.

    python -m benchmarks.serving [--rounds 3] [--seconds 3] [--connections 16] [--workers 1 2]

In: nothing but the installed project, and `wrk` (Debian and Ubuntu: `apt-get install wrk`). Out:
requests per second, median and 99th percentile by endpoint and number of processes, over loopback,
and CPU time per request of the API and of PostgreSQL: medians of the rounds. The client takes its
share of the machine, and so do others: `/healthz`, measured in turn, does nothing and says what
the machine had to give.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

import psutil
import psycopg
import requests

from operations.services import embedded_postgres
from recommender.tables import create_tables
from warehouse.settings import Settings

_POSTGRES_PORT, _API_PORT = 25442, 8441
_USERS, _TRACKS, _LIST = 10_000, 50_000, 20

_FILL = f"""
    create schema marts;
    create table marts.dim_users as
        select 'moovitamix' as source_name, n::text as user_id, true as is_current,
            false as is_deleted
        from generate_series(1, {_USERS}) as n;
    create index on marts.dim_users (user_id);
    create table marts.dim_tracks as
        select 'moovitamix' as source_name, n::text as track_id, 'Track ' || n as track_name,
            'Artist ' || n % 5000 as artist_name, 'Album ' || n / 10 as album_title,
            180 as duration_seconds, true as is_current, false as is_deleted
        from generate_series(1, {_TRACKS}) as n;
    create index on marts.dim_tracks (track_id);
    create table marts.rpt_track_features as
        select source_name, track_id, 'Folk, Rock' as genre_names from marts.dim_tracks;
    create index on marts.rpt_track_features (track_id);
    insert into recommendations.batches
        values (current_date, 'moovitamix', '1', {_USERS}, {_LIST}, 0, now(), now());
    insert into recommendations.recommendations
        select current_date, 'moovitamix', u::text, rank,
            ((u * 7 + rank * 131) % {_TRACKS} + 1)::text, 1.0 / rank, 'model', '1', now(), now(),
            array[
                (u * 13 % {_TRACKS} + 1)::text,
                ((u * 13 + rank % 7 * 1009) % {_TRACKS} + 1)::text
            ]
        from generate_series(1, {_USERS}) as u, generate_series(1, {_LIST}) as rank;
    insert into recommendations.popular_tracks
        select current_date, 'moovitamix', rank, rank::text, 1000 - rank, now()
        from generate_series(1, 100) as rank;
    analyze;
"""  # noqa: S608 (our own numbers)

_RANDOM_USERS = f"""
request = function()
  return wrk.format("GET", "/v1/users/" .. math.random(1, {_USERS}) .. "/recommendations")
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk measured.

    Attributes:
        per_second: Requests per second.
        median: Latency in milliseconds.
        p99: 99th percentile of the latency in milliseconds.
        api_cpu: CPU milliseconds of the API per request.
        postgres_cpu: CPU milliseconds of PostgreSQL per request.
    """

    per_second: float
    median: float
    p99: float
    api_cpu: float
    postgres_cpu: float


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=_POSTGRES_PORT)
        embedded_postgres.start(settings)
        script = Path(folder) / "users.lua"
        script.write_text(_RANDOM_USERS)
        # the script asks for paths of its own
        asked = {
            "/healthz": ["/healthz"],
            "popular": ["/v1/popular"],
            "list": ["/", f"--script={script}"],
        }
        try:
            with psycopg.connect(settings.database_url, autocommit=True) as connection:
                create_tables(connection)
                connection.execute(_FILL.encode())
            print(f"{_USERS:,} users with {_LIST} tracks each, {options.connections} connections")
            print(f"{'':10}{'processes':>10}{'per s':>8}{'p50 ms':>8}{'p99 ms':>8}", end="")
            print(f"{'share':>7}{'API CPU ms':>12}{'PostgreSQL CPU ms':>19}")
            for workers in options.workers:
                with _serving(settings, workers) as (url, api):
                    loads: dict[str, list[Load]] = {name: [] for name in asked}
                    for _ in range(options.rounds):
                        for name, (path, *script_option) in asked.items():
                            arguments = [
                                f"--connections={options.connections}",
                                f"--duration={options.seconds}s",
                                *script_option,
                                f"{url}{path}",
                            ]
                            loads[name].append(_measure(arguments, api, _postgres(settings)))
                _print(loads, workers)
        finally:
            embedded_postgres.stop(settings)


def _print(loads: dict[str, list[Load]], workers: int) -> None:
    baseline = median(load.per_second for load in loads["/healthz"])
    for name, measured in loads.items():
        load = Load(*(median(values) for values in zip(*map(astuple, measured), strict=True)))
        print(
            f"{name:10}{workers:>10}{load.per_second:>8,.0f}{load.median:>8.1f}{load.p99:>8.1f}"
            f"{load.per_second / baseline:>7.0%}{load.api_cpu:>12.2f}{load.postgres_cpu:>19.2f}"
        )


@contextmanager
def _serving(settings: Settings, workers: int) -> Iterator[tuple[str, psutil.Process]]:
    url = f"http://127.0.0.1:{_API_PORT}"
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "listenhouse"),
            "serve",
            f"--port={_API_PORT}",
            f"--workers={workers}",
        ],
        env=os.environ
        | {
            "LISTENHOUSE_HOME": str(settings.home),
            "LISTENHOUSE_DATABASE_URL": settings.database_url,
            "LISTENHOUSE_RATE_LIMIT": "0",
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                requests.get(f"{url}/readyz", timeout=30).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _postgres(settings: Settings) -> psutil.Process:
    pid = (settings.postgres_directory / "postmaster.pid").read_text().splitlines()[0]
    return psutil.Process(int(pid))


def _cpu_seconds(process: psutil.Process) -> float:
    """Of a process and its children, also of those that ended."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        times = each.cpu_times()
        total += times.user + times.system
    own = process.cpu_times()
    return total + own.children_user + own.children_system


def _measure(arguments: list[str], api: psutil.Process, postgres: psutil.Process) -> Load:
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("No wrk: install it (Debian and Ubuntu: `apt-get install wrk`).")
    before = _cpu_seconds(api), _cpu_seconds(postgres)
    outcome = subprocess.run(
        [wrk, "--threads=1", "--latency", *arguments], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in outcome or "Socket errors" in outcome:
        sys.exit(f"not every request was answered:\n{outcome}")
    count = int(re.findall(r"(\d+) requests in", outcome)[0])
    return Load(
        float(re.findall(r"Requests/sec:\s+([\d.]+)", outcome)[0]),
        _milliseconds(re.findall(r"\n +50% +(\S+)", outcome)[0]),
        _milliseconds(re.findall(r"\n +99% +(\S+)", outcome)[0]),
        (_cpu_seconds(api) - before[0]) / count * 1000,
        (_cpu_seconds(postgres) - before[1]) / count * 1000,
    )


def _milliseconds(latency: str) -> float:
    number, unit = re.findall(r"([\d.]+)(\w+)", latency)[0]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


if __name__ == "__main__":
    main()
