"""The short table at the end of a run, and what a person can do next."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from ingestion.load_command import print_load
from operations.daily_run.run import RunReport
from operations.lakehouse import print_published
from recommender.command import print_lists, print_training
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
    if report.training is not None and report.training.status is not None:
        fired = tuple(trigger for trigger in report.training.triggers if trigger.fired)
        print_training(replace(report.training, triggers=fired))
    if report.recommendations is not None:
        print_lists(report.recommendations)
    if report.lake is not None:
        print_published(report.lake)
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in report.seconds.items())
    console.print(f"{steps}.")
    if len(report.seconds) == 1:
        return
    console.print()
    # an external URL can hold a password, which does not belong into a log
    where = settings.database_url if settings.uses_embedded_postgres else "`listenhouse url`"
    console.print(f"connect       {where}", soft_wrap=True)
    console.print("see lineage   dbt docs generate && dbt docs serve")
    console.print("another day   make run")
    console.print("stop          make stop")
