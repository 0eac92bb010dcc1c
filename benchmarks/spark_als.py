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
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
    wall = time.perf_counter()
    mine, children = _usage(resource.RUSAGE_SELF), _usage(resource.RUSAGE_CHILDREN)
    FITS[name](plays, 1)
    wall = time.perf_counter() - wall
    mine_after, children_after = _usage(resource.RUSAGE_SELF), _usage(resource.RUSAGE_CHILDREN)
    of_spark = children_after[0] - children[0]
    cpu = mine_after[0] - mine[0] + of_spark
    print(
        f"| {plays.nnz:,} | {name} | {wall:.0f} | {cpu:.0f} | {of_spark:.0f} |"
        f" {mine_after[1]:.0f} | {children_after[1]:.0f} |",
        flush=True,
    )


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


def _usage(whose: int) -> tuple[float, float]:
    """CPU seconds, and the peak memory in MB."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
