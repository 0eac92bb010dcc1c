"""Where the minutes of a test run went: `python -m tests.where_the_time_goes`.

In: the report that `make test` leaves (pytest-reportlog). Out: minutes by folder and phase, and
the tests that took longest, as tables for docs/testing.md.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import click

from warehouse.settings import PROJECT_ROOT

REPORT = PROJECT_ROOT / "test-report.jsonl"
"""Where `make test` leaves it."""

PHASES = ("setup", "call", "teardown")


@click.command()
@click.argument(
    "report", default=REPORT, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--longest", default=20, show_default=True, help="How many tests are named.")
def main(report: Path, longest: int) -> None:
    """Prints minutes by folder and phase of a REPORT, and the longest tests."""
    seconds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    tests: Counter[str] = Counter()
    by_test: Counter[str] = Counter()
    for line in report.read_text().splitlines():
        entry = json.loads(line)
        if entry["$report_type"] != "TestReport":
            continue
        # with --dist loadgroup the group follows the name
        name = entry["nodeid"].partition("@")[0]
        folder = str(Path(name.partition("::")[0]).parent)
        seconds[folder][entry["when"]] += entry["duration"]
        by_test[name] += entry["duration"]
        tests[folder] += entry["when"] == "call"
    click.echo(
        "| folder | tests | set-up | call | tear-down | minutes |\n|---|---:|---:|---:|---:|---:|"
    )
    totals: Counter[str] = Counter()
    for folder, phases in sorted(seconds.items(), key=lambda item: -item[1].total()):
        click.echo(_row(f"`{folder}`", tests[folder], phases))
        totals.update(phases)
    click.echo(_row("all", tests.total(), totals))
    click.echo("\n| test | seconds |\n|---|---:|")
    for name, taken in by_test.most_common(longest):
        click.echo(f"| `{name}` | {taken:.0f} |")


def _row(name: str, tests: int, phases: Counter[str]) -> str:
    figures = [phases[phase] / 60 for phase in PHASES] + [phases.total() / 60]
    return " | ".join([f"| {name} | {tests:,}", *(f"{figure:.1f}" for figure in figures)]) + " |"


if __name__ == "__main__":
    main()
