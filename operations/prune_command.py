"""What a person sees of pruning: what would go, a question, and what went.

In: settings. Out: a warehouse without what is older than its retention, and lines on the terminal.
"""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from operations.retention import Pruning, prune
from warehouse.consent import agrees
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)


def run_prune(settings: Settings, *, agreed: bool) -> bool:
    """Deletes what is older than its retention, and shows it.

    Args:
        settings: Which warehouse, and for how long what is kept.
        agreed: Do not ask.

    Returns:
        False when who was asked said no.

    Raises:
        ListenhouseError: Something a person has to act on; nothing is changed.
    """
    record = RunRecord(settings, "listenhouse prune")
    console = Console(highlight=False)
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        planned = prune(lock, settings, dry=True)
        if not planned.rows and not planned.schemas:
            console.print("Nothing is older than its retention.")
            return True
        console.print(_table(planned))
        if not agreed and not agrees("Delete this?", "delete"):
            console.print("Nothing was changed.")
            return False
        with record.step("prune"):
            pruned = prune(lock, settings, dry=False)
            for name, count in pruned.rows.items():
                _logger.info("table pruned", table_name=name, row_count=count)
            for schema in pruned.schemas:
                _logger.info("schema dropped", schema=schema)
    console.print("Deleted. The models built from it are built in full by the next `dbt build`.")
    return True


def _table(pruning: Pruning) -> Table:
    table = Table("older than its retention", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rows", justify="right")
    for name, count in pruning.rows.items():
        table.add_row(name, f"{count:,}")
    for schema in pruning.schemas:
        table.add_row(f"schema {schema}", "all")
    return table
