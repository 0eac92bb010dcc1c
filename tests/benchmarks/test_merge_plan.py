"""The merge into landing costs rows, not rows times rows."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from benchmarks.merge_plan import NestedScanError, merge_plans, refuse_nested_scans
from ingestion.landing.load import load
from simulator import World, WorldConfig, running
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


@pytest.fixture
def log(connection: psycopg.Connection, settings: Settings) -> Path:
    """The server's log of one load."""
    database = settings.database_url.rsplit("/", 1)[1]
    connection.execute(f"alter database {database} set log_statement = 'mod'".encode())
    with running(World.at(0, WorldConfig(users=5000, tracks=5000, listens=5000))) as url:
        simulated = settings.but(external_api_url=url)
        with hold_run_lock(simulated) as lock:
            load(simulated, lock)
    row = connection.execute("show data_directory").fetchone()
    assert row is not None
    return Path(row[0]) / "server.log"


def test_no_statement_of_the_merge_scans_a_table_once_per_row(
    log: Path, settings: Settings
) -> None:
    plans = merge_plans(settings.database_url, log)
    assert len(plans) == 6
    refuse_nested_scans(plans)


def test_a_merge_without_the_loaders_memory_is_found(log: Path, settings: Settings) -> None:
    with pytest.raises(NestedScanError, match="SubPlan"):
        refuse_nested_scans(merge_plans(settings.database_url, log, {"work_mem": "64kB"}))
