"""Do the landing tables have the columns that the record shapes declare?

In: the catalogue. Out: a finding per endpoint, and which of them can be read further.
"""

from __future__ import annotations

import psycopg

from ingestion.endpoint import Endpoint
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from operations.checks.check_result import CheckResult, CheckStatus

_CHECK = "columns"

_VARIANT = "__v_"
"""In the name of a column that dlt makes where a value has another type than the column."""

_TYPES = {
    "bigint": {"bigint"},
    "text": {"text", "character varying"},
    "json": {"json", "jsonb"},
    "timestamp": {"timestamp without time zone"},
}
_VALIDITY_COLUMNS = {
    "_dlt_valid_from": {"timestamp with time zone"},
    "_dlt_valid_to": {"timestamp with time zone"},
}


def check_columns(connection: psycopg.Connection) -> list[CheckResult]:
    """Compares the columns of each landing table that exists with its declared shape.

    Args:
        connection: Connection to the warehouse.
    """
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        """
        select table_name, column_name, data_type
        from information_schema.columns where table_schema = %s
        order by ordinal_position
        """,
        (LANDING_SCHEMA,),
    ):
        found.setdefault(table, {})[column] = kind
    return [
        _check_endpoint(endpoint, found[endpoint.name])
        for endpoint in ENDPOINTS
        if endpoint.name in found
    ]


def _check_endpoint(endpoint: Endpoint, columns: dict[str, str]) -> CheckResult:
    declared = {
        name: _TYPES[str(hint["data_type"])] for name, hint in endpoint.column_hints.items()
    } | _VALIDITY_COLUMNS
    undeclared = [name for name in columns if name not in declared]
    variants = [name for name in undeclared if _VARIANT in name]
    faults = [f"lacks {name}" for name in declared if name not in columns]
    faults += [
        f"has {name} as {columns[name]}"
        for name, types in declared.items()
        if name in columns and columns[name] not in types
    ]
    faults += [f"has the variant column {name}" for name in variants]
    extra = [name for name in undeclared if name not in variants]
    figures = {"columns": len(columns), "faults": len(faults), "undeclared": len(extra)}
    if faults:
        return CheckResult(_CHECK, endpoint.name, CheckStatus.WRONG, ", ".join(faults), figures)
    if extra:
        detail = f"as declared, and fields that the API added: {', '.join(extra)}"
        return CheckResult(_CHECK, endpoint.name, CheckStatus.NOTE, detail, figures)
    return CheckResult(_CHECK, endpoint.name, CheckStatus.OK, "as declared", figures)
