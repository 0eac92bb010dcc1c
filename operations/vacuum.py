"""Gives back the room that updated and deleted rows take, and renews the planner's statistics.

In: settings. Out: vacuumed tables, recorded as a run. PostgreSQL does so by itself, sooner or
later; after a full rebuild, or an erasure that has to be complete, one need not wait for it.
"""

from __future__ import annotations

from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def run_vacuum(settings: Settings) -> float:
    """Vacuums every table that the user owns, while no run is under way.

    Args:
        settings: Which warehouse.

    Returns:
        How long it took, in seconds.

    Raises:
        ListenhouseError: Another run is under way, or the database failed.
    """
    record = RunRecord(settings, "listenhouse vacuum")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        with record.step("vacuum"):
            lock.execute("vacuum (analyze)")
    return record.seconds["vacuum"]
