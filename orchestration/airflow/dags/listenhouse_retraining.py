"""A training each week, whether or not a trigger asks for one.

The daily run trains when a trigger fires; this one makes sure that there is a challenger each week.
The gate decides on it as on any other.
"""

from __future__ import annotations

from airflow.sdk import DAG
from listenhouse_commands import START, listenhouse

with DAG(
    "listenhouse_retraining",
    description="Train a challenger; the gate decides whether it becomes champion.",
    schedule="0 6 * * 0",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["listenhouse"],
    doc_md=__doc__,
):
    listenhouse("retrain", task_id="retrain", timeout_seconds=7200)
