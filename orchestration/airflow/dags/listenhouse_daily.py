"""The daily run: a task per step that Listenhouse declares, with its retries and its time.

The source knows only today: a day that was missed cannot be crawled later, and the next crawl
brings all that changed since. So Airflow catches up with one run, not with one per missed day, and
never with two at a time. A backfill by hand does no harm: each of its runs crawls today.
"""

from __future__ import annotations

from airflow.sdk import DAG, chain
from listenhouse_commands import START, listenhouse, read_steps, step_tasks

with DAG(
    "listenhouse_daily",
    description="Crawl, land, build, test, train when needed, recommend, tell.",
    schedule="0 3 * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["listenhouse"],
    doc_md=__doc__,
):
    chain(
        listenhouse("heartbeat", "start", task_id="heartbeat_start", is_of_day=True),
        *step_tasks(read_steps()),
        listenhouse("heartbeat", "success", task_id="heartbeat_success", is_of_day=True),
    )
