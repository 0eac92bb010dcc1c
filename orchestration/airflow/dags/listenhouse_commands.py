"""What the DAGs share: tasks that call `listenhouse`, and what follows one that failed.

In: the steps that Listenhouse declares. Out: Airflow tasks. Nothing of Listenhouse is imported: it
has an environment of its own, and its command is all that is asked of it.
"""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.standard.operators.bash import BashOperator

HOUSE = Path(__file__).resolve().parents[3]
LISTENHOUSE = HOUSE / ".venv" / "bin" / "listenhouse"

POOL = "listenhouse"
"""One slot: what needs the run's lock waits for it here, and not by failing."""

START = pendulum.datetime(2026, 1, 1, tz="UTC")

# Listenhouse ends a step in time by itself, and tells; this is for a process that hears nothing
_MARGIN = timedelta(minutes=5)

_MAX_WAIT = timedelta(hours=1)

# a run tells people by itself when it fails: not yet in a try that Airflow will repeat
_NO_ALERTS_YET = "{{ ' --no-alerts' if ti.try_number <= ti.max_tries else '' }}"

_logger = logging.getLogger(__name__)


def read_steps() -> list[dict[str, Any]]:
    """The steps of a day, as Listenhouse declares them and its settings change them."""
    done = subprocess.run(
        [LISTENHOUSE, "steps", "--json"], capture_output=True, text=True, check=True, cwd=HOUSE
    )
    steps: list[dict[str, Any]] = json.loads(done.stdout)
    return steps


def tell_of_failure(_context: Any) -> None:
    """Has people told once a task has failed for good.

    The last try told by itself, unless it was killed; what was told already is not told again.
    """
    _call("alerts", "check")


def tell_of_failed_day(context: Any) -> None:
    """Has people told, and the monitor that waits for the day."""
    tell_of_failure(context)
    _call("heartbeat", "fail")


def _call(*arguments: str) -> None:
    done = subprocess.run(
        [LISTENHOUSE, *arguments], capture_output=True, text=True, check=False, cwd=HOUSE
    )
    _logger.warning("listenhouse %s: %s%s", " ".join(arguments), done.stdout, done.stderr.strip())


def listenhouse(
    *arguments: str,
    task_id: str,
    timeout_seconds: float = 3600,
    retries: int = 1,
    retry_wait_seconds: float = 60,
    is_of_day: bool = False,
) -> BashOperator:
    """A task that calls `listenhouse`.

    Args:
        arguments: Of the command.
        task_id: Name of the task.
        timeout_seconds: How long it may take.
        retries: How often it is tried again.
        retry_wait_seconds: First wait before another try, doubled at each further one.
        is_of_day: Whether the day has failed with it.
    """
    command = shlex.join([str(LISTENHOUSE), *arguments])
    return BashOperator(
        task_id=task_id,
        # exec: a signal reaches the command itself
        bash_command=f"exec {command}{_NO_ALERTS_YET if arguments[0] == 'run' else ''}",
        cwd=str(HOUSE),
        env={"LISTENHOUSE_TRIGGER": "airflow"},
        append_env=True,
        pool=POOL,
        retries=retries,
        retry_delay=timedelta(seconds=retry_wait_seconds),
        retry_exponential_backoff=2,
        max_retry_delay=_MAX_WAIT,
        execution_timeout=timedelta(seconds=timeout_seconds) + _MARGIN,
        on_failure_callback=tell_of_failed_day if is_of_day else tell_of_failure,
    )


def step_tasks(steps: Sequence[dict[str, Any]]) -> list[BashOperator]:
    """A task per step, in order.

    Args:
        steps: As Listenhouse declares them.
    """
    return [
        listenhouse(
            *step["command"][1:],
            task_id=step["name"],
            timeout_seconds=step["timeout_seconds"],
            retries=step["retries"],
            retry_wait_seconds=step["retry_wait_seconds"],
            is_of_day=True,
        )
        for step in steps
    ]
