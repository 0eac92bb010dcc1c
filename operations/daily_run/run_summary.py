"""The short table at the end of a run, and what a person can do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ingestion.load_command import print_load
from operations.daily_run.run import RunReport
from warehouse.settings import Settings


def print_summary(settings: Settings, report: RunReport) -> None:
    """Prints what a run did.

    Args:
        settings: Which warehouse.
        report: A run that went through.
    """
    console = Console(highlight=False, markup=False)
    if report.nothing_to_resume:
        console.print(report.nothing_to_resume, soft_wrap=True)
        return
    if report.load is not None:
        print_load(console, report.load)
    if report.build is not None:
        warned = f", {report.build.warnings} warned" if report.build.warnings else ""
        console.print(
            f"{report.listen_count:,} listens in marts.fct_listens; "
            f"{report.build.models} models built, {report.build.tests} tests passed{warned} "
            f"{report.build.audit}.",
            soft_wrap=True,
        )
    if report.training is not None:
        # only who recommends
        from recommender.command import print_no_training, print_training  # noqa: PLC0415

        fired = tuple(trigger for trigger in report.training.triggers if trigger.fired)
        if report.training.status is None:
            print_no_training(report.training.triggers)
        else:
            print_training(replace(report.training, triggers=fired))
    if report.recommendations is not None:
        from recommender.command import print_lists  # noqa: PLC0415 (only who recommends)

        print_lists(report.recommendations)
    if report.feed is not None:
        from operations import change_feed  # noqa: PLC0415 (only who has a feed)

        change_feed.print_published(report.feed)
    if report.feed_is_late is not None:
        console.print(report.feed_is_late, soft_wrap=True)
    if report.lake is not None:
        from operations.lakehouse import print_published  # noqa: PLC0415 (only who has a lake)

        print_published(report.lake)
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in report.seconds.items())
    console.print(f"{steps}.")
    if len(report.seconds) == 1:
        return
    console.print()
    for what, how in _next_steps(settings):
        console.print(f"{what:14}{how}", soft_wrap=True)


def _next_steps(settings: Settings) -> Iterator[tuple[str, str]]:
    activate = Path(sys.prefix, "bin", "activate")
    if "VIRTUAL_ENV" not in os.environ and activate.exists():
        yield "use the tools", f"source {_from_here(activate)}"
    # an external URL can hold a password, which does not belong into a log
    yield "connect", settings.database_url if settings.uses_embedded_postgres else "listenhouse url"
    yield "see lineage", "dbt docs generate && dbt docs serve"
    yield "see health", f"{_from_here(settings.health_page_file)}, and the dashboard: make pages"
    if settings.recommends:
        yield "ask the API", "listenhouse serve"
    yield "another day", "make run"
    yield "stop", "make stop"


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
