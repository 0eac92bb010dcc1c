"""Whether dlt's merge into landing stays linear, by the plan that PostgreSQL makes for it.

In: a database that holds landing, and the log of its server (`log_statement = mod`). Out: the
plans of the merge's statements, as of a load of all open versions under the loader's settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from ingestion.landing.pipeline import SERVER_PARAMETERS
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA

STAGING_SCHEMA = f"{LANDING_SCHEMA}_staging"


class NestedScanError(Exception):
    """A statement of the merge scans one table once for every row of another."""


def merge_statements(log: Path, table: str) -> list[str]:
    """The statements of the last merge into a table, from the server's log.

    Args:
        log: The server's log, written with `log_statement = mod`.
        table: Table of the landing schema.

    Returns:
        The update that closes versions and the insert that opens them.
    """
    name = re.escape(f'"{LANDING_SCHEMA}"."{table}"')
    text = log.read_text(errors="replace")
    found = []
    for beginning in (f"UPDATE {name}", f"INSERT INTO {name}"):
        statements = re.findall(rf"{beginning}.*?;", text, re.S)
        if not statements:
            raise LookupError(f"The log {log} has no {beginning}: is log_statement mod?")
        found.append(statements[-1])
    return found


def merge_plans(
    database_url: str, log: Path, parameters: Mapping[str, str] = SERVER_PARAMETERS
) -> dict[str, str]:
    """Plans the merge of a load that holds every open version, and rolls back.

    Args:
        database_url: Database that holds landing.
        log: The server's log of the last load, written with `log_statement = mod`.
        parameters: PostgreSQL parameters of the session; the loader's.

    Returns:
        The plan of each statement, by the statement.
    """
    plans = {}
    with psycopg.connect(database_url) as connection:
        for name, value in parameters.items():
            connection.execute("select set_config(%s, %s, false)", (name, value))
        for endpoint in ENDPOINTS:
            staging = sql.Identifier(STAGING_SCHEMA, endpoint.name)
            landing = sql.Identifier(LANDING_SCHEMA, endpoint.name)
            columns = sql.SQL(", ").join(
                sql.Identifier(row[0])
                for row in connection.execute(
                    "select column_name from information_schema.columns"
                    " where table_schema = %s and table_name = %s",
                    (STAGING_SCHEMA, endpoint.name),
                )
            )
            connection.execute(sql.SQL("delete from {}").format(staging))
            connection.execute(
                sql.SQL("insert into {} ({}) select {} from {} where _dlt_valid_to is null").format(
                    staging, columns, columns, landing
                )
            )
            # the planner must know how many rows there are, as it does by and by
            for table in (staging, landing):
                connection.execute(sql.SQL("analyze {}").format(table))
            for statement in merge_statements(log, endpoint.name):
                rows = connection.execute(b"explain " + statement.encode()).fetchall()
                plans[statement] = "\n".join(row[0] for row in rows)
        connection.rollback()
    return plans


def refuse_nested_scans(plans: Mapping[str, str]) -> None:
    """Refuses plans that cost rows times rows: an unhashed subquery, or a nested loop.

    Args:
        plans: Plans, by their statements.

    Raises:
        NestedScanError: One is so; names the statement, and shows the plan.
    """
    for statement, plan in plans.items():
        has_unhashed_subquery = "SubPlan" in plan and "hashed SubPlan" not in plan
        if has_unhashed_subquery or "Nested Loop" in plan:
            raise NestedScanError(f"{statement}\n{plan}")
