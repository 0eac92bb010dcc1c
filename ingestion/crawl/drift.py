"""Fields that the API added or gave up, in words for a person.

In: a proven crawl and the landing table before it is merged. Out: one line per change. Neither
stops a load: an added field lands as a column, a field that is gone lands as null.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.crawl.completeness import CrawledEndpoint
from ingestion.crawl.undeclared_fields import DLT_COLUMNS, name_undeclared_columns


def describe_drift(
    connection: psycopg.Connection, schema: str, crawled: CrawledEndpoint
) -> list[str]:
    """Compares the fields of a crawl with those that landing has values of.

    Args:
        connection: Connection to the warehouse.
        schema: Landing schema.
        crawled: Proven rows, not merged yet.

    Returns:
        One line per field that came or went.
    """
    endpoint = crawled.endpoint
    landed = column_names(connection, schema, endpoint.name)
    added = name_undeclared_columns(endpoint, crawled.spool.undeclared_names)
    lines = [
        f"/{endpoint.name} serves a field that is not declared, {name!r}: it lands as the json "
        f"column {column}"
        for name, column in added.items()
        if column not in landed
    ]
    served = crawled.spool.served_fields | set(added.values())
    lines += [
        f"/{endpoint.name} no longer serves the field of the column {column}: it lands as null"
        for column in sorted(landed - served - DLT_COLUMNS)
        if crawled.landed and _has_values(connection, schema, endpoint.name, column)
    ]
    return lines


def column_names(connection: psycopg.Connection, schema: str, table: str) -> set[str]:
    """The columns of a table; none where there is no such table."""
    rows = connection.execute(
        "select column_name from information_schema.columns "
        "where table_schema = %s and table_name = %s",
        (schema, table),
    )
    return {name for (name,) in rows}


def _has_values(connection: psycopg.Connection, schema: str, table: str, column: str) -> bool:
    row = connection.execute(
        sql.SQL(
            "select exists (select from {} where _dlt_valid_to is null and {} is not null)"
        ).format(sql.Identifier(schema, table), sql.Identifier(column))
    ).fetchone()
    return bool(row and row[0])
