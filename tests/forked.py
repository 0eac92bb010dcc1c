"""Processes that start in milliseconds: forked from a server that has imported what they need.

In: a function and its arguments. Out: a process of its own, with its own memory, signals and file
descriptors. The server runs no thread, so that what is forked from it dies without company.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

_PRELOADED = (
    "dbt.adapters.postgres",
    "dbt.cli.main",
    "dbt.task.build",
    "dlt._workspace.cli._dlt",
    "dlt._workspace.cli._plugins",
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations._adbc_jobs",
    "dlt.destinations.impl.postgres.postgres",
    "ingestion.dlt_plugin",
    "ingestion.load_command",
    "ingestion.sources.spotify.records",
    "monitoring.alerts.after_run",
    "monitoring.alerts.command",
    "monitoring.health_page.page",
    "monitoring.listening_page.page",
    "operations.cli",
    "operations.daily_run.dbt_build",
    "operations.daily_run.run",
    "operations.daily_run.run_summary",
    "recommender.command",
    "recommender.retrain",
    "sqlparse",
    "tests.commands",
    "tests.drills.killer",
    "tests.drills.processes",
)
"""Together 4 s of imports; one server of a test process has them all."""


def fork(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Starts a process.

    Args:
        target: What runs in it; importable by name.
        *arguments: What it is given; copied to it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    process = context.Process(target=_begin, args=(target, *arguments))
    process.start()
    return process


def _begin(target: Callable[..., None], *arguments: Any) -> None:
    # what was imported before lives as long as the process
    gc.freeze()
    target(*arguments)
