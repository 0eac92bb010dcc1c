"""Many mutants before a few judges, with a line of progress now and then.

In: mutants. Out: a verdict on each. Each worker process has one judge.
"""

# ruff: noqa: T201 (a command prints)

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from itertools import zip_longest
from pathlib import Path

from tools.mutation.judge import PYTEST, Judge, Verdict, running_server, sql_files
from tools.mutation.mutators import Mutant
from tools.mutation.reasons import Reasons
from warehouse.settings import PROJECT_ROOT

PROGRESS_SECONDS = 30

_judge: Judge


def judge_all(
    mutants: dict[str, list[Mutant]], reasons: Reasons, workers: int, *, quick: bool, verbose: bool
) -> list[Verdict]:
    """Judges all mutants, the cheapest tests first.

    Args:
        mutants: By model, or by file of macros.
        reasons: Of the mutants that only dbt's unit tests need to see.
        workers: Processes; each has a judge of its own.
        quick: Whether to leave the tests in Python out.
        verbose: Whether to say of each at once what became of it.

    Returns:
        A verdict on each.
    """
    say: Callable[[Verdict], None] = _print_verdict if verbose else lambda _verdict: None
    with (
        tempfile.TemporaryDirectory(prefix="listenhouse-mutants-") as folder,
        running_server(Path(folder)) as server,
        ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(server, folder),
        ) as pool,
    ):
        done = _run(pool, "dbt's unit tests", _unit_tests, _rounds(mutants), say)
        # what has a reason was tried on the dearer tests when it got it
        left = [
            verdict.mutant
            for verdict in done
            if verdict.outcome == "survived"
            and (verdict.mutant.model, verdict.mutant.identity) not in reasons
        ]
        of_builds = [[mutant] for mutant in left if mutant.model not in PYTEST]
        again = _run(pool, "dbt's data tests", _data_tests, of_builds, say)
        done = _merged(done, again)
        killed = {verdict.mutant for verdict in again if verdict.outcome != "survived"}
        if not quick:
            still = [[mutant] for mutant in left if mutant not in killed]
            last = _run(pool, "tests in Python", _pytest, still, say)
            done = _merged(done, last)
    return done


def _rounds(mutants: dict[str, list[Mutant]]) -> list[list[Mutant]]:
    """The first mutant of each model, the second of each, …; those of macros alone."""
    files = sql_files(PROJECT_ROOT)
    of_models = [each for name, each in mutants.items() if "models" in files[name].parts]
    of_macros = [each for name, each in mutants.items() if "macros" in files[name].parts]
    together = [[mutant for mutant in one if mutant] for one in zip_longest(*of_models)]
    return together + [[mutant] for each in of_macros for mutant in each]


def _start_worker(server: str, folder: str) -> None:
    global _judge  # noqa: PLW0603 (a process is one judge)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = Path(folder) / f"judge_{os.getpid()}"
    own.mkdir()
    _judge = Judge(server, own)


def _unit_tests(mutants: Sequence[Mutant]) -> list[Verdict]:
    return _judge.unit_tests(mutants)


def _data_tests(mutants: Sequence[Mutant]) -> list[Verdict]:
    return [_judge.data_tests(mutant) for mutant in mutants]


def _pytest(mutants: Sequence[Mutant]) -> list[Verdict]:
    return [_judge.pytest(mutant) for mutant in mutants]


def _run(
    pool: ProcessPoolExecutor,
    title: str,
    work: Callable[[Sequence[Mutant]], list[Verdict]],
    rounds: Sequence[Sequence[Mutant]],
    say: Callable[[Verdict], None],
) -> list[Verdict]:
    begin = said = time.monotonic()
    total = sum(map(len, rounds))
    verdicts: list[Verdict] = []
    futures = [pool.submit(work, one) for one in rounds]
    for future in _until_interrupted(pool, as_completed(futures)):
        verdicts += future.result()
        for verdict in future.result():
            say(verdict)
        now = time.monotonic()
        if now - said > PROGRESS_SECONDS or len(verdicts) == total:
            said = now
            survived = sum(verdict.outcome == "survived" for verdict in verdicts)
            print(
                f"{title}: {len(verdicts)} of {total} mutants, {survived} survive,"
                f" {(now - begin) / 60:.1f} minutes",
                flush=True,
            )
    return verdicts


def _merged(verdicts: Iterable[Verdict], later: Iterable[Verdict]) -> list[Verdict]:
    by_mutant = {verdict.mutant: verdict for verdict in verdicts}
    for verdict in later:
        before = by_mutant[verdict.mutant]
        marts = before.changes_marts if verdict.changes_marts is None else verdict.changes_marts
        by_mutant[verdict.mutant] = Verdict(verdict.mutant, verdict.outcome, verdict.killer, marts)
    return list(by_mutant.values())


def _until_interrupted(
    pool: ProcessPoolExecutor, futures: Iterable[Future[list[Verdict]]]
) -> Iterator[Future[list[Verdict]]]:
    try:
        yield from futures
    except BaseException:
        # or the pool would judge all the others first
        pool.shutdown(cancel_futures=True)
        raise


def _print_verdict(verdict: Verdict) -> None:
    print(f"{verdict.mutant.model}: {verdict.mutant.identity}")
    print(f"    {verdict.outcome} {verdict.killer}", flush=True)
