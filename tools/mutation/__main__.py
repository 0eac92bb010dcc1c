"""`make mutate`: every mutant before its judges, with a report.

In: the names of models, or none for all. Out: on the terminal, figures by model, and every mutant
that no test noticed with its reason, if it has one; exit code 1 when one has none, or when a
reason is of a mutant that does not survive.
"""

# ruff: noqa: T201 (a command prints)

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tools.mutation.judge import Verdict, all_mutants
from tools.mutation.reasons import Reasons, read_reasons
from tools.mutation.trial import judge_all


def main() -> None:
    """Parses the command line, judges the mutants and reports."""
    # as Ctrl-C: the workers and their server end, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser("python -m tools.mutation", description=__doc__)
    parser.add_argument("--select", nargs="*", metavar="MODEL", help="only these models or macros")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--list", action="store_true", help="list the mutants only")
    parser.add_argument("--quick", action="store_true", help="without the tests in Python")
    parser.add_argument("--verbose", action="store_true", help="say what killed each mutant")
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("LISTENHOUSE_")]:
        del os.environ[name]

    mutants = all_mutants()
    unknown = set(arguments.select or []) - set(mutants)
    if unknown:
        sys.exit(f"No mutants of {', '.join(sorted(unknown))}: choose from {', '.join(mutants)}.")
    mutants = {name: mutants[name] for name in arguments.select or mutants}
    if arguments.list:
        for model, each in mutants.items():
            print(*(f"{model}: {mutant.identity}" for mutant in each), sep="\n")
        return
    reasons = {key: reason for key, reason in read_reasons().items() if key[0] in mutants}
    begin = time.monotonic()
    verdicts = judge_all(
        mutants,
        reasons,
        arguments.workers,
        quick=arguments.quick,
        verbose=arguments.verbose,
    )
    problems = _print_report(verdicts, reasons)
    print(f"{(time.monotonic() - begin) / 60:.1f} minutes.")
    sys.exit(1 if problems else 0)


def _print_report(verdicts: Sequence[Verdict], reasons: Reasons) -> int:
    """Prints the report; returns the number of problems."""
    survivors = {
        (verdict.mutant.model, verdict.mutant.identity): verdict
        for verdict in verdicts
        if verdict.outcome == "survived"
    }
    for key, verdict in sorted(survivors.items()):
        marts = {None: "not built", True: "changes the marts", False: "changes no mart"}
        print(f"\n{key[0]}: {key[1]}\n    survives, {marts[verdict.changes_marts]}")
        print(f"    {reasons.get(key, 'NO REASON: write a test, or a reason in survivors.yml')}")
    stale = sorted(set(reasons) - set(survivors))
    for model, identity in stale:
        print(f"\n{model}: {identity}\n    STALE REASON: it does not survive, or is no mutant")

    print(f"\n| {'model':<40} | mutants | killed | survived | with a reason |")
    print(f"|{'-' * 42}|--------:|-------:|---------:|--------------:|")
    counts: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        counts[verdict.mutant.model, verdict.outcome] += 1
        has_reason = (verdict.mutant.model, verdict.mutant.identity) in reasons
        counts[verdict.mutant.model, "reason"] += verdict.outcome == "survived" and has_reason
    for model in sorted({verdict.mutant.model for verdict in verdicts}):
        _print_row(model, *(counts[model, kind] for kind in ("killed", "survived", "reason")))
    total = [
        sum(n for (_, k), n in counts.items() if k == kind)
        for kind in ("killed", "survived", "reason", "invalid")
    ]
    _print_row("all", *total[:3])
    valid = total[0] + total[1]
    print(
        f"\n{total[0]} of {valid} mutants killed ({total[0] / max(valid, 1):.1%}), "
        f"{total[1]} survived, {total[2]} of them with a reason; "
        f"{total[3]} more were no SQL and do not count."
    )
    return len(survivors.keys() - reasons.keys()) + len(stale)


def _print_row(model: str, killed: int, survived: int, reason: int) -> None:
    print(f"| {model:<40} | {killed + survived:>7} | {killed:>6} | {survived:>8} | {reason:>13} |")


if __name__ == "__main__":
    main()
