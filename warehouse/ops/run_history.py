"""The last runs, as people and machines read them.

In: schema `ops`. Out: a table for the terminal, or JSON.
"""

from __future__ import annotations

import json
from typing import Any

from psycopg.rows import dict_row
from rich import box
from rich.console import Console
from rich.table import Table

from warehouse.database import connect
from warehouse.settings import Settings

_RUNS = """
    select
        runs.run_id,
        runs.started_at,
        runs.command,
        runs.trigger,
        runs.attempt,
        runs.status,
        runs.failed_step,
        runs.message,
        runs.code_version,
        extract(epoch from runs.ended_at - runs.started_at)::float as seconds,
        coalesce(
            json_object_agg(
                steps.step,
                extract(epoch from steps.ended_at - steps.started_at)
                order by steps.started_at
            ) filter (where steps.ended_at is not null),
            '{}'
        ) as step_seconds
    from ops.runs
    left join ops.steps on runs.run_id = steps.run_id
    group by runs.run_id
    order by runs.started_at desc
    limit %s
"""


def read_runs(settings: Settings, number: int) -> list[dict[str, Any]]:
    """Reads the last runs, the newest first.

    Args:
        settings: Which warehouse.
        number: How many at most.

    Raises:
        DatabaseError: The warehouse cannot be reached.
    """
    with connect(settings, "listenhouse runs") as connection:
        row = connection.execute("select to_regclass('ops.steps') is not null").fetchone()
        if not row or not row[0]:
            return []
        return connection.cursor(row_factory=dict_row).execute(_RUNS, (number,)).fetchall()


def to_json(runs: list[dict[str, Any]]) -> str:
    """The runs for machines."""
    return json.dumps(runs, default=str, indent=2)


def print_runs(runs: list[dict[str, Any]]) -> None:
    """Prints the runs as a table, or what to do where there is none."""
    console = Console(highlight=False, markup=False)
    if not runs:
        console.print("No run is recorded yet: `listenhouse run` makes one.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("started (UTC)", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("steps, or what happened")
    for run in runs:
        steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in run["step_seconds"].items())
        failure = f"{run['failed_step'] or 'run'}: {run['message']}".split("\n")[0]
        table.add_row(
            f"{run['started_at']:%Y-%m-%d %H:%M:%S}",
            run["status"],
            "" if run["seconds"] is None else f"{run['seconds']:.1f}",
            failure if run["message"] else steps,
        )
    console.print(table)
