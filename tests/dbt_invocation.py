"""dbt in a process that runs it hundreds of times, where each is to cost what the first did.

In: what runs dbt, and a command line. Out: its result.
"""

from __future__ import annotations

from unittest import mock

from dbt.adapters.base import impl
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.behavior_flags import BehaviorFlagRendered

_COUNT_OF_BASE_FLAGS = len(impl.DEFAULT_BASE_BEHAVIOR_FLAGS)


def invoke(dbt: dbtRunner, *arguments: str) -> dbtRunnerResult:
    """Runs a dbt command, at the cost of the first however many there were.

    Args:
        dbt: Runs it.
        *arguments: As on the command line.
    """
    # each adapter adds its own flags to the list of the module: after a hundred commands that takes
    # a second of each
    del impl.DEFAULT_BASE_BEHAVIOR_FLAGS[_COUNT_OF_BASE_FLAGS:]
    # and looks for the source of every flag in the whole stack, which is deep in a test
    with mock.patch.object(BehaviorFlagRendered, "_default_source", return_value="dbt"):
        return dbt.invoke(list(arguments))
