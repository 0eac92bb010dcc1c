"""Maintenance, for people: it has no schedule, and does nothing unless it is confirmed.

It gives back what updates and deletions left in the tables. Nothing runs meanwhile: it holds the
run's lock.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException
from listenhouse_commands import START, listenhouse

with DAG(
    "listenhouse_maintenance",
    description="Vacuum the warehouse, once somebody has confirmed it.",
    schedule=None,
    start_date=START,
    max_active_runs=1,
    params={
        "confirm": Param(
            False, type="boolean", description="Yes: no run can start while it goes on."
        )
    },
    tags=["listenhouse"],
    doc_md=__doc__,
):

    @task
    def confirmed(params: dict[str, Any] | None = None) -> None:
        """Fails, and with it the run, unless the person who started it ticked the box."""
        if not (params or {}).get("confirm"):
            raise AirflowFailException(
                "Nothing was done: trigger it again with the parameter confirm set to true."
            )

    confirmed() >> listenhouse("vacuum", task_id="vacuum", timeout_seconds=14_400, retries=0)
