"""Takes back committed crawls, as if they had never been.

In: a crawl's id. Out: landing as it read before that crawl, and a row of `withdrawn_crawls`
for each crawl taken back.

Landing goes back to the boundary of the crawl before. What lies beyond it was landed by the
withdrawn crawls, or by loads that died between them and never became visible by themselves;
both go. (Left there, the next crawl would make the rests of a dead load part of history, and
be judged for shrinkage by them.) Three things stay as they are: columns that a withdrawn
crawl added, empty from then on; dlt's own bookkeeping; and, in `rejected_records`, that a
record which had been resolved was served again: it reads as open since, for what was
overwritten is not known, and the next crawl decides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ingestion.landing.crawl_ledger import (
    WITHDRAWN_CRAWLS,
    EndpointFigures,
    create_crawls,
    latest_boundary_used,
)
from warehouse.consent import describe_operator
from warehouse.database import table_exists
from warehouse.errors import LandingError, ListenhouseError
from warehouse.foreign_code import hold_tables_still

_LISTED_CRAWLS = 5


class WithdrawalError(ListenhouseError):
    """There is no such crawl to withdraw."""


@dataclass(frozen=True)
class CommittedCrawl:
    """A crawl that landing shows.

    Attributes:
        crawl_id: Its identifier.
        boundary_at: From when its versions are valid.
    """

    crawl_id: str
    boundary_at: datetime


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal takes back.

    Attributes:
        crawls: The crawls that go, oldest first.
        kept_boundary_at: The boundary that landing goes back to; None when no crawl is left.
        removed: Versions that go, by endpoint.
        reopened: Versions that are valid again, by endpoint.
        unseen_rejections: Rejected records that only the withdrawn crawls saw.
    """

    crawls: tuple[CommittedCrawl, ...]
    kept_boundary_at: datetime | None
    removed: dict[str, int]
    reopened: dict[str, int]
    unseen_rejections: int


def plan_withdrawal(
    connection: psycopg.Connection, schema: str, endpoints: Sequence[str], crawl_id: str | None
) -> Withdrawal:
    """Finds what withdrawing a crawl, and all after it, takes back; changes nothing.

    Args:
        connection: Connection that holds the run's lock, so that the plan stays true.
        schema: Landing schema.
        endpoints: Landing tables.
        crawl_id: The oldest crawl to withdraw; None for the last one.

    Raises:
        WithdrawalError: There is no such crawl; lists those that there are.
    """
    crawls = _committed_crawls(connection, schema)
    if not crawls:
        raise WithdrawalError("There is no crawl to withdraw: nothing is landed.")
    ids = [crawl.crawl_id for crawl in crawls]
    if crawl_id is not None and crawl_id not in ids:
        raise WithdrawalError(_explain_unknown(connection, schema, crawl_id, crawls))
    first = ids.index(crawl_id) if crawl_id is not None else len(crawls) - 1
    kept = crawls[first - 1].boundary_at if first else None
    return Withdrawal(
        crawls=tuple(crawls[first:]),
        kept_boundary_at=kept,
        removed={name: _count(connection, schema, name, _REMOVED, kept) for name in endpoints},
        reopened={name: _count(connection, schema, name, _REOPENED, kept) for name in endpoints},
        unseen_rejections=_count(connection, schema, "rejected_records", _UNSEEN, kept),
    )


def withdraw(
    lock: psycopg.Connection,
    schema: str,
    endpoints: Sequence[str],
    withdrawal: Withdrawal,
    reason: str,
) -> None:
    """Takes crawls back, all in one transaction.

    Args:
        lock: Connection that holds the run's lock.
        schema: Landing schema.
        endpoints: Landing tables.
        withdrawal: What to take back, planned under the same lock.
        reason: Why, for the trace.

    Raises:
        LandingError: Two versions of a record would be valid; nothing is changed.
    """
    kept = withdrawal.kept_boundary_at
    try:
        with lock.transaction():
            hold_tables_still(lock)
            # whose columns a version before may not have made
            create_crawls(lock, schema, endpoints)
            _leave_trace(lock, schema, endpoints, withdrawal, reason)
            for name in endpoints:
                if table_exists(lock, schema, name):
                    _set_back(lock, schema, name, kept)
            _set_back_rejections(lock, schema, kept)
            lock.execute(
                sql.SQL("delete from {} where crawl_id = any(%s)").format(
                    sql.Identifier(schema, "crawls")
                ),
                ([crawl.crawl_id for crawl in withdrawal.crawls],),
            )
    except psycopg.errors.UniqueViolation as error:
        raise LandingError(
            "Nothing was withdrawn: more than one version of a record would be valid at "
            f"once ({error.diag.constraint_name}). Landing was damaged before: `listenhouse "
            "check` names the records."
        ) from error


_AFTER = sql.SQL("> coalesce(%(kept)s::timestamptz, '-infinity')")
_REMOVED = sql.SQL("_dlt_valid_from {}").format(_AFTER)
_REOPENED = sql.SQL("_dlt_valid_to {} and not ({})").format(_AFTER, _REMOVED)
_UNSEEN = sql.SQL("first_seen_at {}").format(_AFTER)


def _committed_crawls(connection: psycopg.Connection, schema: str) -> list[CommittedCrawl]:
    if not table_exists(connection, schema, "crawls"):
        return []
    rows = connection.execute(
        sql.SQL("select crawl_id, boundary_at from {} order by boundary_at").format(
            sql.Identifier(schema, "crawls")
        )
    )
    return [CommittedCrawl(*row) for row in rows]


def _explain_unknown(
    connection: psycopg.Connection,
    schema: str,
    crawl_id: str,
    crawls: Sequence[CommittedCrawl],
) -> str:
    if table_exists(connection, schema, WITHDRAWN_CRAWLS):
        row = connection.execute(
            sql.SQL("select withdrawn_at from {} where crawl_id = %s").format(
                sql.Identifier(schema, WITHDRAWN_CRAWLS)
            ),
            (crawl_id,),
        ).fetchone()
        if row:
            return f"The crawl {crawl_id} was withdrawn already, at {row[0]:%F %T %Z}."
    last = ", ".join(
        f"{crawl.crawl_id} (as of {crawl.boundary_at:%F %T %Z})"
        for crawl in crawls[: -_LISTED_CRAWLS - 1 : -1]
    )
    return f"There is no crawl {crawl_id!r}; the last ones are {last}."


def _count(
    connection: psycopg.Connection,
    schema: str,
    table: str,
    condition: sql.Composed,
    kept: datetime | None,
) -> int:
    if not table_exists(connection, schema, table):
        return 0
    row = connection.execute(
        sql.SQL("select count(*) from {} where {}").format(
            sql.Identifier(schema, table), condition
        ),
        {"kept": kept},
    ).fetchone()
    return int(row[0]) if row else 0


def _leave_trace(
    connection: psycopg.Connection,
    schema: str,
    endpoints: Sequence[str],
    withdrawal: Withdrawal,
    reason: str,
) -> None:
    """Copies the crawls to the trace, which nothing deletes, and only a redating changes."""
    connection.execute(
        sql.SQL(
            """
            create table if not exists {} (
                crawl_id text primary key,
                load_id text not null,
                boundary_at timestamptz not null unique,
                started_at timestamptz not null,
                committed_at timestamptz not null,
                code_version text not null,
                figures jsonb not null,
                boundaries_used_until timestamptz not null,
                withdrawn_at timestamptz not null,
                withdrawn_by text not null,
                reason text not null
            )
            """
        ).format(sql.Identifier(schema, WITHDRAWN_CRAWLS))
    )
    # a load that died after the last crawl may have used a later one than any of them
    used_until = latest_boundary_used(connection, schema, endpoints)
    for crawl in withdrawal.crawls:
        connection.execute(
            sql.SQL(
                """
                insert into {} (
                    crawl_id, load_id, boundary_at, started_at, committed_at, code_version,
                    figures, boundaries_used_until, withdrawn_at, withdrawn_by, reason
                )
                select
                    crawl_id, load_id, boundary_at, started_at, committed_at, code_version,
                    %s, %s, clock_timestamp(), %s || ', as ' || session_user, %s
                from {} where crawl_id = %s
                """
            ).format(sql.Identifier(schema, WITHDRAWN_CRAWLS), sql.Identifier(schema, "crawls")),
            (
                Jsonb(_figures(connection, schema, endpoints, crawl)),
                used_until,
                describe_operator(),
                reason,
                crawl.crawl_id,
            ),
        )


def _figures(
    connection: psycopg.Connection, schema: str, endpoints: Sequence[str], crawl: CommittedCrawl
) -> dict[str, dict[str, int]]:
    """What the crawl's row says of each endpoint, and the versions it opened and closed."""
    figures = {}
    names = [figure.name for figure in fields(EndpointFigures)]
    for endpoint in endpoints:
        if not table_exists(connection, schema, endpoint):
            continue
        row = connection.execute(
            sql.SQL(
                """
                select
                    {},
                    (select count(*) from {table} where _dlt_valid_from = boundary_at),
                    (select count(*) from {table} where _dlt_valid_to = boundary_at)
                from {crawls} where crawl_id = %s
                """
            ).format(
                sql.SQL(", ").join(sql.Identifier(f"{endpoint}_{name}") for name in names),
                table=sql.Identifier(schema, endpoint),
                crawls=sql.Identifier(schema, "crawls"),
            ),
            (crawl.crawl_id,),
        ).fetchone()
        figures[endpoint] = dict(zip([*names, "opened", "closed"], row or (), strict=True))
    return figures


def _set_back(
    connection: psycopg.Connection, schema: str, endpoint: str, kept: datetime | None
) -> None:
    """Lets versions go, then reopens those before them."""
    table = sql.Identifier(schema, endpoint)
    # in this order: a key has one current version, at the end of each statement
    connection.execute(
        sql.SQL("delete from {} where {}").format(table, _REMOVED),
        {"kept": kept},
    )
    connection.execute(
        sql.SQL("update {} set _dlt_valid_to = null where _dlt_valid_to {}").format(table, _AFTER),
        {"kept": kept},
    )


def _set_back_rejections(
    connection: psycopg.Connection, schema: str, kept: datetime | None
) -> None:
    """Forgets what only the withdrawn crawls rejected; what they touched is open again."""
    if not table_exists(connection, schema, "rejected_records"):
        return
    table = sql.Identifier(schema, "rejected_records")
    connection.execute(sql.SQL("delete from {} where {}").format(table, _UNSEEN), {"kept": kept})
    # a record that stood open was seen by the last crawl before, else that had resolved it
    connection.execute(
        sql.SQL(
            """
            update {} set last_seen_at = least(last_seen_at, %(kept)s), resolved_at = null
            where last_seen_at {after} or resolved_at {after}
            """
        ).format(table, after=_AFTER),
        {"kept": kept},
    )
