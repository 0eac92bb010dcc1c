"""What a person sees of a redating: what would be set back, a question, and what to do next.

In: settings. Out: a warehouse in which nothing is ahead of the clock, and lines on the terminal.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table

from ingestion.landing.crawl_ledger import MAX_AHEAD, server_time
from operations.redating import Redating, plan_redating, redate
from warehouse.consent import agrees
from warehouse.errors import ClockError
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)


def run_redate(settings: Settings, *, agreed: bool) -> bool:
    """Sets boundaries back that are ahead of the database server's clock, and shows it.

    Args:
        settings: Which warehouse.
        agreed: Do not ask.

    Returns:
        False when the person said no.

    Raises:
        ListenhouseError: Something a person has to act on; nothing is changed.
    """
    record = RunRecord(settings, "listenhouse redate")
    console = Console(highlight=False)
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        here, there = datetime.now(UTC), server_time(lock)
        if abs(here - there) > MAX_AHEAD:
            raise ClockError(
                f"Nothing was changed: it is {here:%F %T} UTC on this machine and "
                f"{there.astimezone(UTC):%F %T} UTC on the database server. Correct the wrong "
                "clock (NTP does), then run this again."
            )
        redating = plan_redating(lock)
        if redating.ahead <= MAX_AHEAD:
            console.print("Nothing is ahead of the database server's clock.")
            return True
        console.print(_table(redating))
        if not agreed and not agrees("Set this back?", "set this back"):
            console.print("Nothing was changed.")
            return False
        # not before: a run is dated too
        record.begin()
        with record.step("redate"):
            redate(lock, redating)
            for was, becomes in redating.boundaries.items():
                _logger.info("redated", was=was.isoformat(), boundary_at=becomes.isoformat())
    console.print(
        "Set back, and runs, lists and alerts with them. Build the marts anew: `dbt build`.",
        soft_wrap=True,
    )
    return True


def _table(redating: Redating) -> Table:
    table = Table("boundary", "becomes", box=box.SIMPLE_HEAD, pad_edge=False)
    for was, becomes in redating.boundaries.items():
        table.add_row(*(f"{time.astimezone(UTC):%F %T.%f} UTC" for time in (was, becomes)))
    return table
