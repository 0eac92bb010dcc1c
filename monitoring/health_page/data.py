"""What the health page shows, read from `health.*`, `ops`, landing and `recommendations`.

In: a connection that may read these schemas. Out: a `HealthData` of counts, durations and
judgements; no record of the source is in it. Times are UTC, without a zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from warehouse.errors import DatabaseError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RUNS = 30
"""Runs that the page shows."""

DAYS = 90
"""Days of volumes that the page shows, up to the last one measured."""

SCHEMA_CHANGES = 20
"""Changes of the API's fields that the page shows."""

TRAININGS = 12
"""Trainings of models that the page shows."""

DECISIONS = 5
"""Decisions about who is champion that the page shows."""

RESULTS = 30
"""Results of each model and test that the page shows."""

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True)
class FindingRow:
    """One thing that is wrong now; a row of `health.rpt_findings`."""

    rule_name: str
    subject: str
    severity: str
    message: str
    next_step: str
    run_id: UUID | None
    found_at: datetime | None
    is_event: bool


@dataclass(frozen=True)
class Run:
    """A run, as `health.fct_runs` has it."""

    run_id: UUID
    command: str
    trigger: str
    attempt: int
    code_version: str
    status: str
    failed_step: str | None
    message: str | None
    started_at: datetime
    duration_seconds: float | None
    missed_days: int


@dataclass(frozen=True)
class StepTime:
    """How long a step of a run took; `p95_seconds` is that of the `usual_count` runs before it."""

    run_id: UUID
    step_name: str
    status: str
    duration_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None
    usual_count: int
    is_slow: bool


@dataclass(frozen=True)
class Volume:
    """A metric's value of a day and what was expected; a row of `health.rpt_anomalies`."""

    metric_name: str
    subject: str
    measured_date: date
    severity: str | None
    direction: str | None
    reason: str
    value: float
    lower_bound: float | None
    upper_bound: float | None
    is_anomaly: bool


@dataclass(frozen=True)
class EndpointRequestsRow:
    """Requests of a run to an endpoint."""

    run_id: UUID
    endpoint: str
    request_count: int
    retry_count: int
    received_bytes: int
    latency_p50_seconds: float | None
    latency_p95_seconds: float | None
    latency_max_seconds: float | None


@dataclass(frozen=True)
class Outcomes:
    """How often the runs shown met an answer (`status`) or a cause to try again (`retry`)."""

    endpoint: str
    kind: str
    outcome: str
    last_count: int
    total_count: int


@dataclass(frozen=True)
class Quality:
    """A measure of a table as of the last crawl, and as of the one before."""

    table_name: str
    measure: str
    detail: str
    value: float | None
    previous_value: float | None


@dataclass(frozen=True)
class Rejections:
    """Records in quarantine, by what is wrong with them."""

    endpoint: str
    reason: str
    open_count: int
    resolved_count: int
    last_seen_at: datetime


@dataclass(frozen=True)
class NodeResult:
    """What became of a model or a test in the last build."""

    node_name: str
    resource_type: str
    status: str
    failures: int | None
    message: str | None
    run_at: datetime


@dataclass(frozen=True)
class NodeHistory:
    """The last results of a model or a test, oldest first; of those that had one of late."""

    node_name: str
    resource_type: str
    statuses: Sequence[str]
    failures: Sequence[int | None]
    run_days: Sequence[date]


@dataclass(frozen=True)
class SchemaChange:
    """A field that the API added or gave up."""

    run_id: UUID
    description: str
    changed_at: datetime


@dataclass(frozen=True)
class Lists:
    """The newest recommendations of a source; a row of `recommendations.batches`."""

    source_name: str
    for_date: date
    model_version: str | None
    user_count: int
    list_length: int
    short_list_count: int
    data_cutoff: datetime
    generated_at: datetime


@dataclass(frozen=True)
class Lift:
    """How the lists of a day did; a row of `marts.rpt_recommendation_lift`."""

    source_name: str
    for_date: date
    user_count: int
    conversion_rate: float
    shadow_conversion_rate: float | None
    lift: float
    lift_lower: float | None
    lift_upper: float | None
    is_window_complete: bool


@dataclass(frozen=True)
class Evaluation:
    """How good a model was at a training: ndcg@20 on the listens that were held out last."""

    source_name: str
    training_id: UUID
    trained_at: datetime
    role: str
    value: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Decision:
    """A decision about who is champion; a row of `recommendations.promotions`."""

    decision: str
    decided_by: str
    from_version: str | None
    to_version: str | None
    reason: str
    metric: str | None
    difference: float | None
    lower: float | None
    upper: float | None
    user_count: int | None
    decided_at: datetime


@dataclass(frozen=True)
class HealthData:
    """The figures behind the page.

    Attributes:
        missing: Models of schema `health` that are not built yet.
        landed_at: Boundary of the last committed crawl; None before the first.
        findings: What is wrong now, the worst first.
        runs: The last runs, oldest first.
        steps: Their steps, in the order of runs and steps.
        volumes: By metric and subject, oldest first.
        requests: Of the runs, oldest first.
        outcomes: Of the runs together, and of the last one that asked the API.
        quality: Of the last crawl.
        rejections: Those with most open records first.
        nodes: Models and tests of the last build.
        histories: Of the models and tests of the last builds.
        schema_changes: Newest first.
        lists: Of each source; none where nothing was ever recommended.
        lifts: By source, oldest first.
        evaluations: Of the last trainings, by source, oldest first.
        decisions: Newest first.
    """

    missing: Sequence[str]
    landed_at: datetime | None
    findings: Sequence[FindingRow]
    runs: Sequence[Run]
    steps: Sequence[StepTime]
    volumes: Sequence[Volume]
    requests: Sequence[EndpointRequestsRow]
    outcomes: Sequence[Outcomes]
    quality: Sequence[Quality]
    rejections: Sequence[Rejections]
    nodes: Sequence[NodeResult]
    histories: Sequence[NodeHistory]
    schema_changes: Sequence[SchemaChange]
    lists: Sequence[Lists]
    lifts: Sequence[Lift]
    evaluations: Sequence[Evaluation]
    decisions: Sequence[Decision]


_MODELS = (
    "fct_endpoint_requests",
    "fct_dbt_results",
    "fct_request_outcomes",
    "fct_run_steps",
    "fct_runs",
    "fct_schema_changes",
    "rpt_anomalies",
    "rpt_findings",
    "rpt_latest_quality",
)

# in the order of runs, of which the page shows few
_OF_RUNS: LiteralString = """
    where run_id = any(%(run_ids)s)
    order by array_position(%(run_ids)s::uuid[], run_id)
"""

# before the first build that went through; the models are views on the same table
_RECORDED_RUNS: LiteralString = """
    select
        run_id, command, trigger, attempt, code_version, status, failed_step, message,
        started_at at time zone 'UTC' as started_at,
        extract(epoch from ended_at - started_at)::float as duration_seconds,
        0 as missed_days
    from ops.runs
    order by started_at desc
    limit %(runs)s
"""

# over the runs that the page shows, and of the last of them that asked
_OUTCOMES: LiteralString = """
    with

    outcomes as (
        select
            *,
            array_position(%(run_ids)s::uuid[], run_id) as place,
            max(array_position(%(run_ids)s::uuid[], run_id)) over () as last_place
        from health.fct_request_outcomes
        where run_id = any(%(run_ids)s)
    )

    select
        endpoint,
        kind,
        outcome,
        coalesce(sum(outcome_count) filter (where place = last_place), 0)::bigint as last_count,
        sum(outcome_count)::bigint as total_count
    from outcomes
    group by endpoint, kind, outcome
    order by endpoint, kind, outcome
"""

# of landing as it is: also of a load that was refused, which no model knows
_REJECTIONS: LiteralString = """
    select
        endpoint,
        reason,
        count(*) filter (where resolved_at is null) as open_count,
        count(resolved_at) as resolved_count,
        max(last_seen_at) at time zone 'UTC' as last_seen_at
    from raw_moovitamix.rejected_records
    group by endpoint, reason
    order by open_count desc, resolved_count desc, endpoint, reason
"""

# a node that the last builds do not have is one of a version before
_HISTORIES: LiteralString = """
    with

    results as (
        select
            *,
            row_number() over (partition by unique_id order by run_at desc) as place,
            dense_rank() over (order by run_at desc) as build
        from health.fct_dbt_results
    )

    select
        node_name,
        resource_type,
        array_agg(status order by run_at) as statuses,
        array_agg(failures order by run_at) as failures,
        array_agg(run_at::date order by run_at) as run_days
    from results
    where place <= %(results)s and resource_type in ('model', 'test')
    group by unique_id, node_name, resource_type
    having min(build) <= %(results)s
    order by resource_type, node_name
"""

_LANDED_AT: LiteralString = """
    select max(boundary_at) at time zone 'UTC' from raw_moovitamix.crawls
"""

# as recorded: the models know what was recorded by the first build only from the next on
_LISTS: LiteralString = """
    select distinct on (source_name)
        source_name, for_date, model_version, user_count, list_length, short_list_count,
        data_cutoff at time zone 'UTC' as data_cutoff,
        generated_at at time zone 'UTC' as generated_at
    from recommendations.batches
    order by source_name, for_date desc
"""

_EVALUATIONS: LiteralString = """
    with

    measured as (
        select
            *,
            started_at at time zone 'UTC' as trained_at,
            dense_rank() over (partition by source_name order by started_at desc) as place
        from recommendations.trainings
        inner join recommendations.evaluations using (training_id)
    )

    select source_name, training_id, trained_at, role, value, lower, upper
    from measured
    where
        place <= %(trainings)s
        and (split, segment, metric, cutoff) = ('test', 'all', 'ndcg', 20)
        and role <> 'panel'
    order by source_name, trained_at, role
"""

_DECISIONS: LiteralString = """
    select
        decision, decided_by, from_version, to_version, reason, metric, difference, lower, upper,
        user_count, decided_at at time zone 'UTC' as decided_at
    from recommendations.promotions
    order by decided_at desc
    limit %(decisions)s
"""


def read_health(connection: psycopg.Connection) -> HealthData:
    """Reads what the page shows, all of it as of one moment.

    Models that are not built yet leave their part empty.

    Args:
        connection: Connection to the warehouse, in autocommit mode.

    Raises:
        DatabaseError: The schemas cannot be read; says what to do.
    """
    try:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read read only")
            return _read(connection)
    except psycopg.Error as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DatabaseError(
            f"The health of the warehouse could not be read ({cause}): run `dbt build`, and check "
            "that the user in LISTENHOUSE_DATABASE_URL may read the schemas health, marts, ops, "
            "raw_moovitamix and recommendations."
        ) from error


def _read(connection: psycopg.Connection) -> HealthData:
    relations = _relations(connection)
    parameters: dict[str, Any] = {
        "runs": RUNS,
        "days": DAYS,
        "schema_changes": SCHEMA_CHANGES,
        "trainings": TRAININGS,
        "decisions": DECISIONS,
        "results": RESULTS,
    }

    def rows(relation: str, kind: type[T], query: LiteralString | sql.Composed) -> list[T]:
        if relation not in relations:
            return []
        cursor = connection.cursor(row_factory=class_row(kind))
        return cursor.execute(query, parameters).fetchall()

    def modelled(model: str, kind: type[T], which: LiteralString) -> list[T]:
        """Rows of a model that has the fields of the kind as columns."""
        columns = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(kind))
        parts = (columns, sql.Identifier(*model.split(".")), sql.SQL(which))
        return rows(model, kind, sql.SQL("select {} from {} {}").format(*parts))

    runs = modelled("health.fct_runs", Run, "order by started_at desc limit %(runs)s")
    if "health.fct_runs" not in relations:
        runs = rows("ops.runs", Run, _RECORDED_RUNS)
    runs.reverse()
    parameters["run_ids"] = [run.run_id for run in runs]
    landed_at = None
    if "raw_moovitamix.crawls" in relations:
        (landed_at,) = connection.execute(_LANDED_AT).fetchone() or (None,)
    return HealthData(
        missing=[model for model in _MODELS if f"health.{model}" not in relations],
        landed_at=landed_at,
        findings=modelled(
            "health.rpt_findings",
            FindingRow,
            "order by severity <> 'critical', found_at desc nulls last, finding_key",
        ),
        runs=runs,
        steps=modelled("health.fct_run_steps", StepTime, _OF_RUNS + ", started_at"),
        volumes=modelled(
            "health.rpt_anomalies",
            Volume,
            """
            where measured_date > (
                select max(measured_date) from health.rpt_anomalies
            ) - %(days)s::int
            order by metric_name, subject, measured_date
            """,
        ),
        requests=modelled(
            "health.fct_endpoint_requests", EndpointRequestsRow, _OF_RUNS + ", endpoint"
        ),
        outcomes=rows("health.fct_request_outcomes", Outcomes, _OUTCOMES),
        quality=modelled(
            "health.rpt_latest_quality", Quality, "order by table_name, measure, detail"
        ),
        rejections=rows("raw_moovitamix.rejected_records", Rejections, _REJECTIONS),
        nodes=modelled(
            "health.fct_dbt_results",
            NodeResult,
            """
            where run_id = (select run_id from health.fct_dbt_results order by run_at desc limit 1)
            order by resource_type, node_name
            """,
        ),
        histories=rows("health.fct_dbt_results", NodeHistory, _HISTORIES),
        schema_changes=modelled(
            "health.fct_schema_changes",
            SchemaChange,
            "order by changed_at desc, description limit %(schema_changes)s",
        ),
        lists=rows("recommendations.batches", Lists, _LISTS),
        lifts=modelled(
            "marts.rpt_recommendation_lift",
            Lift,
            """
            where
                for_date > (
                    select max(for_date) from marts.rpt_recommendation_lift
                ) - %(days)s::int
                and lift is not null
            order by source_name, for_date
            """,
        ),
        evaluations=rows("recommendations.evaluations", Evaluation, _EVALUATIONS),
        decisions=rows("recommendations.promotions", Decision, _DECISIONS),
    )


def _relations(connection: psycopg.Connection) -> set[str]:
    """Tables and views of the schemas that the page is made from."""
    return {
        row[0]
        for row in connection.execute(
            """
            select nspname || '.' || relname
            from pg_class
            inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
            where
                nspname in ('health', 'marts', 'ops', 'raw_moovitamix', 'recommendations')
                and relkind in ('r', 'v', 'm')
            """
        )
    }
