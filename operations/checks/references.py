"""Do listens name users and tracks that landing has held?

In: landing. Out: the orphans by endpoint. The source promises no foreign key, so they are
worth a note; a large share of them means that something else is lost.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.sources.moovitamix import LANDING_SCHEMA
from operations.checks.check_result import CheckResult, CheckStatus, counted

_CHECK = "references"

LARGEST_SHARE_OF_ORPHANS = 0.1


def check_references(connection: psycopg.Connection) -> list[CheckResult]:
    """Counts the listens and records, valid now, whose user or track was never landed.

    Args:
        connection: Connection to the warehouse, whose landing tables all exist.
    """
    users, records = _read_counts(
        connection,
        """
        select count(*) filter (where known.id is null), count(*)
        from {listen_history} as records
        left join (select distinct id from {users}) as known on records.user_id = known.id
        where records._dlt_valid_to is null and records.user_id is not null
        """,
    )
    tracks, listens = _read_counts(
        connection,
        """
        select count(*) filter (where known.id is null), count(*)
        from {listen_history} as records
        cross join lateral json_array_elements_text(
            case when json_typeof(records.items::json) = 'array' then records.items::json end
        ) as listen (track_id)
        left join (select distinct id::text from {tracks}) as known
            on listen.track_id = known.id
        where records._dlt_valid_to is null
        """,
    )
    return [
        _judge("users", users, records, "history record"),
        _judge("tracks", tracks, listens, "listen"),
    ]


def _read_counts(connection: psycopg.Connection, query: str) -> tuple[int, int]:
    row = connection.execute(
        sql.SQL(query).format(
            **{
                table: sql.Identifier(LANDING_SCHEMA, table)
                for table in ("users", "tracks", "listen_history")
            }
        )
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _judge(endpoint: str, orphans: int, names: int, noun: str) -> CheckResult:
    figures = {"orphans": orphans, "references": names}
    what = counted(names, noun)
    if not orphans:
        detail = f"{what}, every one names {endpoint} that landing holds or held"
        return CheckResult(_CHECK, endpoint, CheckStatus.OK, detail, figures)
    detail = f"{orphans:,} of {what} name {endpoint} that landing never held"
    if orphans > LARGEST_SHARE_OF_ORPHANS * names:
        detail += f": more than {LARGEST_SHARE_OF_ORPHANS:.0%}"
        return CheckResult(_CHECK, endpoint, CheckStatus.WRONG, detail, figures)
    return CheckResult(_CHECK, endpoint, CheckStatus.NOTE, detail, figures)
