"""Lets go what was kept long enough, by the retention of each schema.

In: settings. Out: tables without what is older, and counts of what went. Landing has none: it is
the memory that everything is built from. What is built from what goes is built in full next time,
so that a full refresh gives the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

from ingestion.sources.catalogue import LANDING_SCHEMAS
from recommender.tables import LISTS
from warehouse.database import table_exists
from warehouse.foreign_code import hold_tables_still
from warehouse.settings import Settings


@dataclass(frozen=True)
class Rule:
    """What goes from one table.

    Attributes:
        schema: Schema of the table.
        table: The table.
        condition: Which rows, as of `%(cutoff)s`.
        built: Models that are built from them since their last build only.
    """

    schema: str
    table: str
    condition: LiteralString
    built: Sequence[str] = ()


_BUILT = ("fct_recommendation_outcomes", "int_lift_measured", "rpt_recommendation_lift")
_RUNS = ("fct_daily_load_metrics", "int_latest_anomalies", "rpt_anomalies")

_OF_OLD_RUN = "run_id in (select run_id from ops.runs where started_at < %(cutoff)s)"
_OF_OLD_ALERT = (
    "recorded_at < %(cutoff)s and (alert_id is null or alert_id in"
    " (select alert_id from ops.alerts where closed_at < %(cutoff)s))"
)

_RECOMMENDATIONS = tuple(
    Rule("recommendations", f"{generation}{table}", "for_date < %(cutoff)s::date", _BUILT)
    for table in LISTS
    for generation in ("", "superseded_")
)
_OPS = (
    *(
        Rule("ops", table, _OF_OLD_RUN, _RUNS)
        for table in (
            *("steps", "loads", "column_profiles", "schema_changes", "http_requests"),
            *("dbt_results", "runs"),
        )
    ),
    Rule("ops", "alert_deliveries", _OF_OLD_ALERT),
    Rule(
        "ops",
        "alerts",
        "closed_at < %(cutoff)s and not exists"
        " (select from ops.alert_deliveries as told where told.alert_id = alerts.alert_id)",
    ),
)
_REJECTED = tuple(
    Rule(schema, "rejected_records", "resolved_at < %(cutoff)s") for schema in LANDING_SCHEMAS
)


@dataclass(frozen=True)
class Pruning:
    """What is older than its retention.

    Attributes:
        rows: Rows that go, by table.
        schemas: Schemas of the past that go.
    """

    rows: Mapping[str, int]
    schemas: Sequence[str]


def prune(connection: psycopg.Connection, settings: Settings, *, dry: bool) -> Pruning:
    """Deletes what is older than its retention, in one transaction.

    Args:
        connection: Connection that holds the run's lock.
        settings: For how long what is kept.
        dry: Count only, and change nothing.

    Returns:
        What goes, or went.
    """
    now = datetime.now(UTC)
    rows: dict[str, int] = {}
    kept = settings.keep
    with connection.transaction(force_rollback=dry):
        hold_tables_still(connection)
        for rules, days in (
            (_RECOMMENDATIONS, kept.recommendation_days),
            (_OPS, kept.ops_days),
            (_REJECTED, kept.rejected_days),
        ):
            for rule in rules:
                count = _delete(connection, rule, now - timedelta(days=days))
                if count:
                    rows[f"{rule.schema}.{rule.table}"] = count
        schemas = _past(connection, now - timedelta(days=kept.past_days))
        for schema in schemas:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
    return Pruning(rows, schemas)


def _delete(connection: psycopg.Connection, rule: Rule, cutoff: datetime) -> int:
    if not table_exists(connection, rule.schema, rule.table):
        return 0
    count = connection.execute(
        sql.SQL("delete from {} where ").format(sql.Identifier(rule.schema, rule.table))
        + sql.SQL(rule.condition),
        {"cutoff": cutoff},
    ).rowcount
    if count and rule.built and table_exists(connection, "intermediate", "model_builds"):
        connection.execute(
            "delete from intermediate.model_builds where model_name = any(%s)", (list(rule.built),)
        )
    return count


def _past(connection: psycopg.Connection, cutoff: datetime) -> list[str]:
    """Schemas of builds as of a day that is longer ago."""
    rows = connection.execute(
        r"""
        select nspname::text
        from pg_namespace
        where
            nspname ~ '^as_of_\d{8}\d*_(staging|intermediate|marts|health|test_failures)$'
            and to_date(substring(nspname from 'as_of_(\d{8})'), 'YYYYMMDD') < %s::date
        order by nspname
        """,
        (cutoff,),
    )
    return [schema for (schema,) in rows]
