"""ALS of implicit on this machine, and ALS of Spark MLlib, side by side.

    PYTHONPATH=spark/als python -m benchmarks.spark_als [--hetrec FOLDER] [--plays 1000000 5000000]

In: what `make spark` installs; hetrec2011-lastfm-2k, where it is there. Out: tables in Markdown:
quality on real listens, 80/20 of each user's artists, three seeds; and what fitting takes on random
plays, a user having 50 of them and a track 100: wall time, CPU of this process and of Spark, the
peak memory of either.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
from scipy.sparse import coo_array, csr_array
from spark_als import SPARK_ALS_64, SparkAls

from benchmarks.recommender import HETREC, SEEDS
from benchmarks.recommender_worlds import hold_out_random, read_hetrec
from recommender.metrics import Metric, user_metrics
from recommender.models import FittedModel
from recommender.panel import PANEL
from recommender.selection import serve_holdout

(ALS_64,) = (candidate for candidate in PANEL if candidate.name == "als-64")
FITS: dict[str, Callable[[csr_array, int], FittedModel]] = {
    ALS_64.name: ALS_64.fit,
    SPARK_ALS_64.name: lambda plays, seed: SparkAls.fit(plays, seed, **SPARK_ALS_64.parameters),
}
COLUMNS: tuple[Metric, ...] = (("ndcg", 10), ("ndcg", 20), ("recall", 20))
PLAYS_OF_USER, PLAYS_OF_TRACK = 50, 100
_SAMPLING_SECONDS = 0.2


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hetrec", type=Path, default=HETREC, help="folder of the data set")
    parser.add_argument("--plays", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--fit", choices=FITS, help="fit this one only, and print its cost")
    options = parser.parse_args()
    if options.fit:
        _fit(options.fit, options.plays[0])
        return
    if (options.hetrec / "user_artists.dat").exists():
        _print_quality(options.hetrec)
    print("| plays | | wall s | CPU s | of it Spark's | MB | Spark's MB |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for plays in options.plays:
        for name in FITS:
            # a process each: the peak of the one is not the other's
            command = [sys.executable, "-m", "benchmarks.spark_als", "--fit", name, "--plays"]
            subprocess.run([*command, str(plays)], check=True)


def _print_quality(folder: Path) -> None:
    plays = read_hetrec(folder)
    print("| HetRec | " + " | ".join(f"{name}@{cutoff}" for name, cutoff in COLUMNS) + " |")
    print("|---|" + "---:|" * len(COLUMNS))
    for name, fit in FITS.items():
        means = []
        for seed in SEEDS:
            holdout = hold_out_random(plays, seed)
            tracks = serve_holdout(fit(holdout.plays, seed), holdout).tracks
            found = user_metrics(tracks, holdout)
            means.append([found[column].mean() for column in COLUMNS])
        figures = " | ".join(f"{mean:.4f}" for mean in np.mean(means, axis=0))
        print(f"| {name} | {figures} |", flush=True)
    print()


def _fit(name: str, count: int) -> None:
    plays = _random_plays(count)
    wall, own = time.perf_counter(), time.process_time()
    with _sampled_children() as children:
        FITS[name](plays, 1)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    of_spark = sum(cpu for cpu, _ in children.values())
    memory_of_spark = sum(memory for _, memory in children.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {plays.nnz:,} | {name} | {wall:.0f} | {own + of_spark:.0f} | {of_spark:.0f} |"
        f" {memory:.0f} | {memory_of_spark:.0f} |",
        flush=True,
    )


@contextmanager
def _sampled_children() -> Iterator[dict[int, tuple[float, float]]]:
    """CPU seconds and peak MB of the processes below this one, by id: nobody waits for Java."""
    found: dict[int, tuple[float, float]] = {}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLING_SECONDS):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    times, memory = child.cpu_times(), child.memory_info().rss / 1024**2
                    _, peak = found.get(child.pid, (0.0, 0.0))
                    found[child.pid] = times.user + times.system, max(peak, memory)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield found
    finally:
        done.set()
        sampler.join()


def _random_plays(count: int) -> csr_array:
    """Plays by user and track, of tracks by their popularity."""
    generator = np.random.default_rng(1)
    users, tracks = count // PLAYS_OF_USER, count // PLAYS_OF_TRACK
    popularity = 1 / np.arange(1, tracks + 1) ** 0.8
    pairs = (
        generator.integers(users, size=count),
        generator.choice(tracks, count, p=popularity / popularity.sum()),
    )
    return csr_array(coo_array((np.ones(count, np.float32), pairs), shape=(users, tracks)))


if __name__ == "__main__":
    main()
