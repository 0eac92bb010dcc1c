"""What a person sees of a withdrawal: what would go, a question, and what to do next.

In: settings and a crawl's id. Out: landing without the crawl, and lines on the terminal.
"""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from ingestion.landing.withdrawal import Withdrawal, plan_withdrawal, withdraw
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from warehouse.consent import agrees
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

REBUILD_COMMAND = "dbt build"
"""Brings the marts in line with landing after a withdrawal."""


def run_withdrawal(settings: Settings, crawl_id: str | None, reason: str, *, agreed: bool) -> bool:
    """Withdraws a crawl and all after it, and shows it.

    Args:
        settings: Which warehouse.
        crawl_id: The oldest crawl to withdraw; None for the last one.
        reason: Why, for the trace.
        agreed: Do not ask.

    Returns:
        False when the person said no.

    Raises:
        ListenhouseError: Something a person has to act on; nothing is changed.
    """
    names = [endpoint.name for endpoint in ENDPOINTS]
    console = Console(highlight=False)
    # also while the question stands: what is withdrawn is what was shown, and no load
    # builds on a crawl that is about to go
    with hold_run_lock(settings) as lock:
        withdrawal = plan_withdrawal(lock, LANDING_SCHEMA, names, crawl_id)
        for crawl in withdrawal.crawls:
            console.print(f"crawl {crawl.crawl_id}, as of {crawl.boundary_at:%F %T %Z}")
        console.print(_table(withdrawal))
        if withdrawal.unseen_rejections:
            console.print(
                f"{withdrawal.unseen_rejections:,} records in quarantine that no other crawl "
                "has seen go too."
            )
        count = len(withdrawal.crawls)
        which = "this crawl" if count == 1 else f"these {count} crawls"
        if not agreed and not agrees(f"Withdraw {which}?", "withdraw"):
            console.print("Nothing was changed.")
            return False
        withdraw(lock, LANDING_SCHEMA, names, withdrawal, reason)
    console.print(_outcome(withdrawal), soft_wrap=True)
    return True


def _table(withdrawal: Withdrawal) -> Table:
    table = Table("endpoint", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("versions that go", "versions valid again"):
        table.add_column(name, justify="right")
    for name, removed in withdrawal.removed.items():
        table.add_row(name, f"{removed:,}", f"{withdrawal.reopened[name]:,}")
    return table


def _outcome(withdrawal: Withdrawal) -> str:
    count = len(withdrawal.crawls)
    done = f"Withdrew {count} crawl{'s' if count > 1 else ''}"
    trace = f"the trace is in {LANDING_SCHEMA}.withdrawn_crawls"
    if withdrawal.kept_boundary_at is None:
        return (
            f"{done}; no crawl is left, {trace}.\nThe marts still show them: load again "
            f"(`dlt pipeline listen_history run`), then rebuild them with `{REBUILD_COMMAND}`."
        )
    return (
        f"{done}; landing is as of {withdrawal.kept_boundary_at:%F %T %Z}, {trace}.\n"
        f"The marts still show them: rebuild them with `{REBUILD_COMMAND}`."
    )
