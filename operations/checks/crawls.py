"""Does landing still hold what was committed, and what does it hold that no build has seen?

In: `crawls` and the landing tables. Out: findings about loads, clocks and conservation. dbt reads
landing as of the last crawl that it built: what a load left that died, and what was lost since or
from under an earlier crawl, it does not see. Whether a crawl's own figures add up, its test says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from ingestion.landing.crawl_ledger import (
    WITHDRAWN_CRAWLS,
    EndpointFigures,
    describe_boundary_ahead,
    describe_clock_ahead,
    latest_boundary_used,
)
from ingestion.sources.catalogue import SOURCES
from ingestion.sources.moovitamix import LANDING_SCHEMA
from operations.checks.check_result import CheckResult, CheckStatus, Figures, counted
from warehouse.database import table_exists


@dataclass(frozen=True)
class LandedCrawl:
    """A committed crawl, and what landing holds as of its boundary.

    Attributes:
        crawl_id: Its identifier.
        boundary_at: From when its versions are valid.
        committed_at: When it became visible.
        figures: What its row says, by endpoint.
        versions: Versions that landing holds as valid then, by endpoint.
    """

    crawl_id: str
    boundary_at: datetime
    committed_at: datetime
    figures: Mapping[str, EndpointFigures]
    versions: Mapping[str, int]


def read_crawls(connection: psycopg.Connection, endpoints: Sequence[str]) -> list[LandedCrawl]:
    """Reads the committed crawls, oldest first.

    Args:
        connection: Connection to the warehouse.
        endpoints: Landing tables that exist and can be read.
    """
    if not table_exists(connection, LANDING_SCHEMA, "crawls"):
        return []
    figures: dict[str, dict[str, EndpointFigures]] = {}
    versions: dict[str, dict[str, int]] = {}
    crawls = sql.Identifier(LANDING_SCHEMA, "crawls")
    boundaries = connection.execute(
        sql.SQL("select crawl_id, boundary_at, committed_at from {} order by boundary_at").format(
            crawls
        )
    ).fetchall()
    names = list(EndpointFigures.__dataclass_fields__)
    for endpoint in endpoints:
        # one pass over the versions, whatever the number of crawls
        for crawl_id, valid, *counts in connection.execute(
            sql.SQL(
                """
                with opened as materialized (
                    select _dlt_valid_from as at, count(*) as versions from {table} group by at
                ), closed as materialized (
                    select _dlt_valid_to as at, count(*) as versions from {table} group by at
                )
                select
                    crawl_id,
                    coalesce((select sum(versions) from opened where at <= boundary_at), 0)
                    - coalesce((select sum(versions) from closed where at <= boundary_at), 0),
                    {figures}
                from {crawls}
                """
            ).format(
                table=sql.Identifier(LANDING_SCHEMA, endpoint),
                figures=sql.SQL(", ").join(sql.Identifier(f"{endpoint}_{name}") for name in names),
                crawls=crawls,
            )
        ):
            figures.setdefault(crawl_id, {})[endpoint] = EndpointFigures(*counts)
            versions.setdefault(crawl_id, {})[endpoint] = int(valid)
    return [
        LandedCrawl(
            crawl_id,
            boundary_at,
            committed_at,
            figures.get(crawl_id, {}),
            versions.get(crawl_id, {}),
        )
        for crawl_id, boundary_at, committed_at in boundaries
    ]


def check_loads(
    connection: psycopg.Connection, crawls: Sequence[LandedCrawl], endpoints: Sequence[str]
) -> list[CheckResult]:
    """Says what was landed, what a dead load left, and what was withdrawn.

    Args:
        connection: Connection to the warehouse.
        crawls: The committed crawls, oldest first.
        endpoints: Landing tables that exist and can be read.
    """
    findings = [_describe_crawls(crawls)]
    last = crawls[-1].boundary_at if crawls else None
    for endpoint in endpoints:
        row = connection.execute(
            sql.SQL(
                """
                select count(*) from {}
                where greatest(_dlt_valid_from, _dlt_valid_to)
                    > coalesce(%s::timestamptz, '-infinity')
                """
            ).format(sql.Identifier(LANDING_SCHEMA, endpoint)),
            (last,),
        ).fetchone()
        if row and row[0]:
            detail = (
                f"{counted(row[0], 'version')} touched by a load that is under way or died; "
                "invisible, the next load puts them right"
            )
            findings.append(
                CheckResult("loads", endpoint, CheckStatus.NOTE, detail, {"unfinished": row[0]})
            )
    if table_exists(connection, LANDING_SCHEMA, WITHDRAWN_CRAWLS):
        row = connection.execute(
            sql.SQL("select count(*), max(withdrawn_at) from {}").format(
                sql.Identifier(LANDING_SCHEMA, WITHDRAWN_CRAWLS)
            )
        ).fetchone()
        if row and row[0]:
            detail = f"{counted(row[0], 'crawl')} withdrawn, last at {row[1]:%F %T %Z}"
            findings.append(
                CheckResult(
                    "loads", WITHDRAWN_CRAWLS, CheckStatus.NOTE, detail, {"withdrawn": row[0]}
                )
            )
    return findings


def check_clocks(connection: psycopg.Connection, endpoints: Sequence[str]) -> list[CheckResult]:
    """Looks for a clock, or a boundary that one left, ahead of the database server's clock.

    A load asks the same before it begins. The rule `boundary_ahead` knows of committed crawls only:
    not of this machine's clock, of what was merged and not committed, of imports.

    Args:
        connection: Connection to the warehouse.
        endpoints: Landing tables that exist and can be read.
    """
    latest = latest_boundary_used(connection, LANDING_SCHEMA, endpoints)
    return [
        CheckResult("clock", subject, CheckStatus.WRONG, fault)
        for subject, fault in (
            ("machine", describe_clock_ahead(connection, datetime.now(UTC))),
            ("crawls", describe_boundary_ahead(connection, latest)),
            ("imports", describe_boundary_ahead(connection, _last_import(connection))),
        )
        if fault
    ]


def _last_import(connection: psycopg.Connection) -> datetime | None:
    landed: list[datetime] = []
    tables = [
        (source.schema, endpoint.name)
        for source in SOURCES.values()
        if not source.is_crawled
        for endpoint in source.endpoints
    ]
    for table in tables:
        if table_exists(connection, *table):
            latest = sql.SQL("select max(landed_at) from {}").format(sql.Identifier(*table))
            landed += [at for (at,) in connection.execute(latest) if at]
    return max(landed, default=None)


def _describe_crawls(crawls: Sequence[LandedCrawl]) -> CheckResult:
    if not crawls:
        detail = "nothing is landed yet: `make run`, or `dlt pipeline listen_history run`"
        return CheckResult("loads", "crawls", CheckStatus.NOTE, detail, {"crawls": 0})
    last = crawls[-1]
    detail = (
        f"{counted(len(crawls), 'crawl')}, the last is {last.crawl_id}, as of "
        f"{last.boundary_at:%F %T %Z}"
    )
    figures: Figures = {
        "crawls": len(crawls),
        "last_crawl_id": last.crawl_id,
        "last_boundary_at": last.boundary_at.isoformat(),
    }
    return CheckResult("loads", "crawls", CheckStatus.OK, detail, figures)


def check_conservation(crawls: Sequence[LandedCrawl], endpoint: str) -> CheckResult:
    """Proves for every crawl that what it landed is still there.

    Args:
        crawls: The committed crawls, oldest first.
        endpoint: Landing table.
    """
    faults = []
    for crawl in crawls:
        figures, versions = crawl.figures[endpoint], crawl.versions[endpoint]
        if versions != figures.landed + figures.carried:
            faults.append(
                f"crawl {crawl.crawl_id}: {figures.landed:,} landed + {figures.carried:,} "
                f"carried, but landing holds {versions:,} versions as of it"
            )
    measured = {"crawls": len(crawls), "faults": len(faults)}
    if faults:
        more = f" (and {counted(len(faults) - 1, 'other')})" if len(faults) > 1 else ""
        return CheckResult("conservation", endpoint, CheckStatus.WRONG, faults[-1] + more, measured)
    detail = f"{counted(len(crawls), 'crawl')}: landing has the rows of each"
    return CheckResult("conservation", endpoint, CheckStatus.OK, detail, measured)
