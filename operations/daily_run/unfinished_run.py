"""Where a run that failed can go on.

In: the record of runs. Out: the step to begin at, or why there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from ingestion.landing.crawl_ledger import WITHDRAWN_CRAWLS
from ingestion.sources.moovitamix import LANDING_SCHEMA
from warehouse.daily_steps import ALERTS, Step
from warehouse.database import table_exists

# not the date: schedulers count days in other time zones, and runs end after midnight
_MAX_AGE = timedelta(hours=20)

# asked with the run's lock held: a run that is recorded as running died
_LAST_RUN = """
    select run_id, status, started_at
    from ops.runs
    where command like 'listenhouse run%%'
        and command not like '%%--step%%'
        and coalesce(ended_at, started_at) > now() - %(max_age)s
    order by started_at desc
    limit 1
"""

# a step can have been run alone since, and succeeded; one whose crawl was withdrawn since counts
# for nothing
_STEPS = """
    select
        steps.step,
        steps.status,
        steps.run_id = %(run_id)s as is_of_the_run
    from ops.steps as steps
    inner join ops.runs as runs on steps.run_id = runs.run_id
    where
        steps.started_at > coalesce(%(withdrawn_at)s::timestamptz, '-infinity')
        and (
            runs.run_id = %(run_id)s
            or (runs.started_at > %(started_at)s and steps.status = 'succeeded')
        )
    order by steps.started_at
"""


def find_resume_point(connection: psycopg.Connection, steps: Sequence[Step]) -> Step | str:
    """Finds the step that the last run, of the last 20 hours, has to go on at.

    Args:
        connection: Connection that holds the run's lock.
        steps: The declared steps.

    Returns:
        The step; or why there is nothing to resume, as a sentence.
    """
    row = connection.execute("select to_regclass('ops.steps') is not null").fetchone()
    run = (
        connection.execute(_LAST_RUN, {"max_age": _MAX_AGE}).fetchone() if row and row[0] else None
    )
    if run is None:
        return (
            f"Nothing to resume: there was no run in the last {_MAX_AGE // timedelta(hours=1)} "
            "hours. `listenhouse run` makes one."
        )
    run_id, status, started_at = run
    if status == "succeeded":
        return f"Nothing to resume: the last run, at {_clock(started_at)}, succeeded."
    rows = connection.execute(
        _STEPS,
        {
            "run_id": run_id,
            "started_at": started_at,
            "withdrawn_at": _last_withdrawal(connection),
        },
    ).fetchall()
    ordered = [step for step in steps if step.name != ALERTS]
    reached = [
        position
        for position, step in enumerate(ordered)
        if any(name in _names(step) and is_of_the_run for name, _, is_of_the_run in rows)
    ]
    remaining = ordered[reached[-1] :] if reached else ordered
    while remaining and _has_succeeded(remaining[0], rows):
        remaining = remaining[1:]
    if not remaining:
        return (
            f"Nothing to resume: every step of the run at {_clock(started_at)} has succeeded since."
        )
    names = {step.name: step for step in ordered}
    return names[remaining[0].resumes_at or remaining[0].name]


def _last_withdrawal(connection: psycopg.Connection) -> datetime | None:
    if not table_exists(connection, LANDING_SCHEMA, WITHDRAWN_CRAWLS):
        return None
    row = connection.execute(
        sql.SQL("select max(withdrawn_at) from {}").format(
            sql.Identifier(LANDING_SCHEMA, WITHDRAWN_CRAWLS)
        )
    ).fetchone()
    return row[0] if row else None


def _names(step: Step) -> tuple[str, ...]:
    return step.records or (step.name,)


def _has_succeeded(step: Step, rows: Sequence[tuple[str, str, bool]]) -> bool:
    """Whether the last that is recorded of each part of a step is that it succeeded."""
    last = {name: status for name, status, _ in rows if name in _names(step)}
    return bool(last) and all(status == "succeeded" for status in last.values())


def _clock(time: object) -> str:
    return f"{time:%H:%M} UTC"
