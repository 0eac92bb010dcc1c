"""Is every version in landing stored once, complete, and valid at a time of its own?

In: a landing table. Out: its findings: nulls in keys and hashes, duplicates, intervals that
are empty, overlap or leave a gap that no crawl explains, keys with several current versions. All
versions, also those that no build has seen; a daily build reads those that changed since the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import psycopg
from psycopg import sql

from ingestion.endpoint import ROW_HASH, Endpoint
from ingestion.sources.moovitamix import LANDING_SCHEMA
from operations.checks.check_result import CheckResult, CheckStatus, counted

_CHECK = "versions"

_FAULTS = {
    "nulls": ("{missing}", "without key, hash or start"),
    "duplicates": (
        "next_hash = row_hash and next_from in (_dlt_valid_from, _dlt_valid_to)",
        "stored twice",
    ),
    "empty_intervals": ("_dlt_valid_to <= _dlt_valid_from", "valid at no time"),
    "overlaps": (
        "next_from < coalesce(_dlt_valid_to, 'infinity') and next_from > _dlt_valid_from",
        "still valid when the next one starts",
    ),
    "gaps": (
        "_dlt_valid_to < next_from and not exists ("
        "select from crawled where at >= _dlt_valid_to and at < next_from)",
        "that ended before the next one starts, at a time of no crawl",
    ),
    "several_current": (
        "_dlt_valid_to is null and current_count > 1",
        "current beside another of the same key",
    ),
}


def check_versions(
    connection: psycopg.Connection, endpoint: Endpoint, tables: Sequence[str]
) -> list[CheckResult]:
    """Checks every version of an endpoint in one pass.

    Args:
        connection: Connection to the warehouse.
        endpoint: Whose versions.
        tables: The landing tables of all endpoints that exist, which tell when crawls,
            committed or not, were merged; `crawls` too where it exists.

    Returns:
        A finding per fault, or the one that there is none.
    """
    figures, examples, versions, records = _measure(connection, endpoint, tables)
    if not any(figures.values()):
        detail = (
            f"{counted(versions, 'version')} of {counted(records, 'record')}: each once, "
            "complete, without overlaps"
        )
        totals = {"versions": versions, "records": records}
        return [CheckResult(_CHECK, endpoint.name, CheckStatus.OK, detail, totals)]
    return [
        CheckResult(
            _CHECK,
            endpoint.name,
            CheckStatus.WRONG,
            f"{counted(count, 'version')} {_FAULTS[fault][1]}, of {' and '.join(examples[fault])}",
            {fault: count},
        )
        for fault, count in figures.items()
        if count
    ]


def _measure(
    connection: psycopg.Connection, endpoint: Endpoint, tables: Sequence[str]
) -> tuple[dict[str, int], dict[str, list[str]], int, int]:
    """Counts each fault, with up to three records that have it; and versions and records."""
    key = sql.SQL(", ").join(map(sql.Identifier, endpoint.key))
    required = [*_required(endpoint), ROW_HASH, "_dlt_valid_from"]
    missing = sql.SQL(" or ").join(
        sql.SQL("{} is null").format(sql.Identifier(name)) for name in required
    )
    named = sql.SQL(" || ' ' || ").join(
        sql.SQL("{} || coalesce({}::text, 'null')").format(
            sql.Literal(f"{name} "), sql.Identifier(name)
        )
        for name in endpoint.key
    )
    counts = [
        sql.SQL(
            "count(*) filter (where {cond}), (array_agg({named}) filter (where {cond}))[1:3]"
        ).format(cond=sql.SQL(condition).format(missing=missing), named=named)
        for condition, _ in _FAULTS.values()
    ]
    crawled = [
        sql.SQL("select {} as at from {}").format(
            sql.Identifier("boundary_at" if table == "crawls" else "_dlt_valid_from"),
            sql.Identifier(LANDING_SCHEMA, table),
        )
        for table in tables
    ]
    row = connection.execute(
        sql.SQL(
            """
            with crawled as materialized ({crawled}),
            versions as (
                select
                    {key}, row_hash, _dlt_valid_from, _dlt_valid_to,
                    lead(_dlt_valid_from) over in_order as next_from,
                    lead(row_hash) over in_order as next_hash,
                    row_number() over in_order as version_number,
                    count(*) filter (where _dlt_valid_to is null)
                        over (partition by {key}) as current_count
                from {table}
                window in_order as (
                    partition by {key} order by _dlt_valid_from, _dlt_valid_to, row_hash
                )
            )
            select count(*), count(*) filter (where version_number = 1), {counts} from versions
            """
        ).format(
            crawled=sql.SQL(" union ").join(crawled),
            key=key,
            table=sql.Identifier(LANDING_SCHEMA, endpoint.name),
            counts=sql.SQL(", ").join(counts),
        )
    ).fetchone()
    versions, records, *measured = row or (0, 0, *([0, None] * len(_FAULTS)))
    return (
        dict(zip(_FAULTS, measured[::2], strict=True)),
        dict(zip(_FAULTS, measured[1::2], strict=True)),
        versions,
        records,
    )


def _required(endpoint: Endpoint) -> list[str]:
    """Fields of the key that the shape does not allow to be null."""
    types = {field.name: field.type for field in msgspec.structs.fields(endpoint.record)}
    required = []
    for name in endpoint.key:
        try:
            msgspec.convert(None, types[name])
        except msgspec.ValidationError:
            required.append(name)
    return required
