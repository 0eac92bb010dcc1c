"""The step `build`: dbt in this process, its results recorded, its failures in a sentence.

In: the project, landing. Out: marts, or an error that names what failed; dbt itself publishes what
passed (macros/publication/publish.sql). dbt's unit tests read fixtures and say nothing about the
day: they are for development and CI.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from dbt.artifacts.schemas.results import NodeStatus
from dbt.artifacts.schemas.run import RunExecutionResult, RunResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode
from dbt_common.events.base_types import EventMsg
from dbt_common.invocation import get_invocation_id
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from operations.daily_run.audit import Audit
from operations.daily_run.garbage_collection import without_collections
from operations.daily_run.kept_sessions import kept_sessions
from operations.publication import published_boundary, unpublished_reason
from warehouse.errors import StepFailedError
from warehouse.ops.run_record import RunRecord
from warehouse.redaction import without_values
from warehouse.run_log import get_logger
from warehouse.settings import PROJECT_ROOT

_logger = get_logger(__name__)

_RESUME = "`listenhouse run --resume`: the load before it is complete and not repeated"

_EXCLUDE = "--exclude-resource-type"

_CANDIDATES = "candidate_"
"""What the schemas begin with that models are built in before they are published."""

_RULES = {
    "foreign_keys": "missing_references",
    "unique_keys": "key_columns",
    "valid_columns": "broken_rules",
}
"""By test that asks for several rules of a table, the column of its rows that names them."""

# its failures are told by us, its results are in the run's log and in ops.dbt_results: writing them
# down once more takes dbt a second
_IN_SILENCE = ("--log-level", "none", "--log-level-file", "info", "--no-write-json")

_FAILURES = frozenset(map(str, (NodeStatus.Error, NodeStatus.Fail, NodeStatus.RuntimeErr)))
_SUCCESSES = frozenset(map(str, (NodeStatus.Success, NodeStatus.Pass)))


@dataclass(frozen=True)
class BuildReport:
    """What `dbt build` did.

    Attributes:
        models: Models built.
        tests: Data tests passed.
        warnings: Tests that warned.
        audit: What the tests read, as a person reads it; empty where none ran.
        marts_schema: Schema that people read the marts in, by the target that dbt was told.
    """

    models: int
    tests: int
    warnings: int
    audit: str
    marts_schema: str


def build(
    record: RunRecord,
    connection: psycopg.Connection,
    *,
    tested: bool = True,
    full_audit: bool = False,
    then: str = _RESUME,
) -> BuildReport:
    """Runs `dbt build` in this process, with a progress bar where a terminal watches.

    Args:
        record: The run's record, which gets the result of every node.
        connection: The run's, in autocommit mode; it holds the run's lock.
        tested: Run the data tests, too. Without them, what is built is published where what was
            built before it is.
        full_audit: Have them read all rows, not only what was built since the last audit.
        then: What to do once the cause of a failure is mended.

    Returns:
        What was built and tested.

    Raises:
        StepFailedError: A model or a test failed, or the database went away; names each.
    """
    with without_collections(), kept_sessions():
        return _build(record, connection, tested=tested, full_audit=full_audit, then=then)


def _build(
    record: RunRecord, connection: psycopg.Connection, *, tested: bool, full_audit: bool, then: str
) -> BuildReport:
    manifest = _parse(then)
    audit = Audit(connection, manifest, complete=full_audit) if tested else None
    excluded = ("unit_test",) if tested else ("unit_test", "test")
    arguments = ["build", *(part for kind in excluded for part in (_EXCLUDE, kind))]
    variables = {}
    if audit is not None:
        audit.begin()
        if audit.since is not None:
            variables["audit_since"] = str(audit.since)
    elif unpublished_reason(connection) is None:
        variables["publish"] = "untested"
    if variables:
        arguments += ["--vars", json.dumps(variables)]
    outcome = _run(manifest, arguments)
    if not outcome.success:
        _refuse_lost(connection, then)
    if isinstance(outcome.result, RunExecutionResult):
        for node in outcome.result.results:
            node.message = _name_broken_rules(connection, node) or node.message
        record.add("dbt_results", [_describe_node(node) for node in outcome.result.results])
    report = _judge(outcome, audit, connection, then)
    if audit is not None:
        audit.succeed(get_invocation_id())
    return report


def _refuse_lost(connection: psycopg.Connection, then: str) -> None:
    """Raises where the database went away: each model says so in another way, or dbt nothing."""
    try:
        connection.execute("select 1")
    except psycopg.OperationalError as error:
        raise StepFailedError(
            f"The database went away during dbt build ({_first_line(str(error))}): what was built "
            "until then stays, each table whole, and the others are as they were. See why in the "
            f"server's log and that it runs again, then {then}."
        ) from error


def _parse(then: str) -> Manifest:
    """The project. Parsed apart: a variable of the build would have dbt parse all of it anew."""
    outcome = _invoke(dbtRunner(), "parse")
    if isinstance(outcome.result, Manifest):
        return outcome.result
    raise _broken_off(outcome, "dbt build did not start", then)


def _run(manifest: Manifest, arguments: Sequence[str]) -> dbtRunnerResult:
    """Runs dbt, with a progress bar that counts what it has to do."""
    progress = Progress(
        TextColumn("dbt build"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with progress:
        task = progress.add_task("dbt build", total=None)

        def show(event: EventMsg) -> None:
            if event.info.name == "ConcurrencyLine":
                progress.update(task, total=event.data.node_count)
            elif event.info.name == "NodeFinished" and not _is_part_of_others(event):
                progress.advance(task)
                _log_node(event)

        return _invoke(dbtRunner(manifest=manifest, callbacks=[show]), *arguments)


def _invoke(dbt: dbtRunner, *arguments: str) -> dbtRunnerResult:
    root = str(PROJECT_ROOT)
    return dbt.invoke([*_IN_SILENCE, *arguments, "--project-dir", root, "--profiles-dir", root])


def _is_part_of_others(event: EventMsg) -> bool:
    """Whether a node is no result of its own, and not counted by dbt."""
    return bool(event.data.node_info.materialized == "ephemeral")


def _log_node(event: EventMsg) -> None:
    node, result = event.data.node_info, event.data.run_result
    affected = dict(result.adapter_response).get("rows_affected")
    _logger.info(
        "node finished",
        unique_id=node.unique_id,
        node_name=node.node_name,
        resource_type=node.resource_type,
        status=result.status,
        duration_seconds=round(result.execution_time, 3),
        # protobuf has no whole numbers; -1 where the statement has no rows, as for a view
        rows_affected=int(affected) if isinstance(affected, float) and affected >= 0 else None,
        failures=result.num_failures if "test" in node.resource_type else None,
        message=result.message if result.status not in _SUCCESSES else None,
    )


def _describe_node(node: RunResult) -> dict[str, object]:
    affected = node.adapter_response.get("rows_affected")
    return {
        "unique_id": node.node.unique_id,
        "name": node.node.name,
        "resource_type": str(node.node.resource_type),
        "status": str(node.status),
        "seconds": node.execution_time,
        # -1 where the statement has no rows, as for a view
        "rows_affected": affected if isinstance(affected, int) and affected >= 0 else None,
        "failures": node.failures,
        "message": without_values(node.message) if node.message else None,
    }


def _name_broken_rules(connection: psycopg.Connection, result: RunResult) -> str | None:
    """Which rules of a test its failing rows break, without a value of theirs."""
    test = result.node
    if str(result.status) != NodeStatus.Fail or not isinstance(test, GenericTestNode):
        return None
    column = _RULES.get(test.test_metadata.name)
    if column is None:
        return None
    broken = connection.execute(
        f"select {column}, count(*) from ({test.compiled_code}) as failing"  # noqa: S608
        " group by 1 order by 2 desc limit 3".encode()
    ).fetchall()
    return "; ".join(f"{rule}: {count:,} times" for rule, count in broken)


def _what_people_read(connection: psycopg.Connection) -> str:
    """That nothing is published, and as of when the marts are."""
    boundary = published_boundary(connection)
    if boundary is None:
        return "Not published: nobody has marts to read yet"
    return f"Not published: marts stay as of {boundary:%Y-%m-%d %H:%M:%S} UTC"


def _judge(
    outcome: dbtRunnerResult, audit: Audit | None, connection: psycopg.Connection, then: str
) -> BuildReport:
    result = outcome.result
    if not isinstance(result, RunExecutionResult):
        raise _broken_off(outcome, "dbt build broke off", then)
    counts: Counter[str] = Counter()
    marts_schema = ""
    failures = []
    for node in result.results:
        kind = str(node.node.resource_type)
        if node.node.name == "fct_listens":
            marts_schema = node.node.schema.removeprefix(_CANDIDATES)
        if str(node.status) in _FAILURES:
            failures.append(f"{node.node.name}: {_first_line(node.message or str(node.status))}")
        elif str(node.status) in _SUCCESSES:
            counts[kind] += 1
        elif str(node.status) == NodeStatus.Warn:
            counts["warning"] += 1
    if failures or not outcome.success:
        raise StepFailedError(
            f"dbt build failed. {_what_people_read(connection)}:\n  "
            + "\n  ".join(failures or [_first_line(str(outcome.exception))])
            + "\nThe rows that failed a test are in the schema test_failures, what was built in "
            f"candidate_marts. Fix the cause, then {then}."
        )
    return BuildReport(
        models=counts["model"],
        tests=counts["test"],
        warnings=counts["warning"],
        audit=audit.description if audit else "",
        marts_schema=marts_schema,
    )


def _broken_off(outcome: dbtRunnerResult, what: str, then: str) -> BaseException:
    if isinstance(outcome.exception, KeyboardInterrupt):
        return outcome.exception
    cause = _first_line(str(outcome.exception)).rstrip(".")
    return StepFailedError(f"{what}: {cause}. Fix the cause, then {then}.")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:3]) if lines else "no message"
