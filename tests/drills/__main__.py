"""`make drill N=200`: random drills, with a report.

In: a number, a seed, workers. Out: on the terminal, how many points were hit in which step and
every difference with the seed that replays it; exit code 1 when there is one.
"""

# ruff: noqa: T201 (a command prints)

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue

from tests.drills.bench import running_bench
from tests.drills.drill import WORLDS, Outcome, run_drill, world_of


def main() -> None:
    """Parses the command line, runs the drills and reports."""
    parser = argparse.ArgumentParser("python -m tests.drills", description="Runs random drills.")
    parser.add_argument("--number", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the first; the next has the next")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--verbose", action="store_true", help="say what each drill did")
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("LISTENHOUSE_")]:
        del os.environ[name]

    # worlds are dealt to workers, so that each computes its clean runs once
    queues: list[Queue[int]] = [Queue() for _ in range(min(arguments.workers, WORLDS))]
    for seed in range(arguments.seed, arguments.seed + arguments.number):
        queues[world_of(seed) % len(queues)].put(seed)
    begin = time.monotonic()
    outcomes: list[Outcome] = []
    printing = threading.Lock()

    def report(outcome: Outcome) -> None:
        with printing:
            outcomes.append(outcome)
            if outcome.differences or arguments.verbose:
                _print_drill(outcome)
            if len(outcomes) % 10 == 0:
                minutes = (time.monotonic() - begin) / 60
                print(f"{len(outcomes)} drills, {minutes:.1f} minutes", flush=True)

    def work(queue: Queue[int]) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="listenhouse-drills-") as folder,
            running_bench(Path(folder)) as bench,
        ):
            while True:
                try:
                    seed = queue.get_nowait()
                except Empty:
                    return
                report(run_drill(bench, seed))

    with ThreadPoolExecutor(len(queues)) as pool:
        for future in [pool.submit(work, queue) for queue in queues]:
            future.result()
    _print_summary(outcomes, time.monotonic() - begin)
    sys.exit(1 if any(outcome.differences for outcome in outcomes) else 0)


def _print_drill(outcome: Outcome) -> None:
    verdict = "DIFFERENCE" if outcome.differences else "equal"
    print(f"\nseed {outcome.seed} ({outcome.kind}): {verdict}")
    for note in outcome.notes:
        print(f"    {note}")
    for difference in outcome.differences:
        print(f"  ! {difference}")
    if outcome.differences:
        print(f"  replay: make drill N=1 SEED={outcome.seed}", flush=True)


def _print_summary(outcomes: list[Outcome], seconds: float) -> None:
    hits: Counter[tuple[str, str]] = sum((outcome.hits for outcome in outcomes), Counter())
    steps = sorted({step for step, _ in hits}, key=lambda step: -_hits_of(hits, step))
    print(f"\n{'step':<12} {'hits':>5}  by")
    for step in steps:
        ways = ", ".join(
            f"{count} {way}" for (where, way), count in hits.most_common() if where == step
        )
        print(f"{step:<12} {_hits_of(hits, step):>5}  {ways}")
    kinds = Counter(outcome.kind for outcome in outcomes)
    bad = [outcome.seed for outcome in outcomes if outcome.differences]
    print(
        f"\n{len(outcomes)} drills ({kinds['load']} of loads, {kinds['build']} through dbt), "
        f"{sum(hits.values())} faults, {sum(outcome.survived for outcome in outcomes)} of them "
        f"survived without a second run, {seconds / 60:.1f} minutes: "
        f"{len(bad)} with a difference{f' (seeds {bad})' if bad else ''}."
    )


def _hits_of(hits: Counter[tuple[str, str]], step: str) -> int:
    return sum(count for (where, _), count in hits.items() if where == step)


if __name__ == "__main__":
    main()
