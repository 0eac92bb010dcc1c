"""A challenger that serves a share of the users, so that what they play decides.

In: a challenger that the gate refused without its being surely worse, and
`marts.rpt_canary_lift`, which compares both groups. Out: at most one canary at a time, and its end:
the challenger becomes champion, or is not tried again.

Offline metrics ask what users would have played anyway; a canary asks what they play when they are
shown the lists. Who is in the group is a hash of user and canary: the same users every day, others
in the next canary.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version as package_version
from uuid import UUID, uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from recommender.artifact import BrokenArtifactError
from recommender.champion import promote_canary
from recommender.gate import Decision
from recommender.models import Flags
from recommender.registry import CHALLENGER, CHAMPION, LoadedModel, Registry, Version
from recommender.tables import SCHEMA
from warehouse.database import table_exists
from warehouse.run_log import get_logger

_logger = get_logger(__name__)

ENOUGH_DAYS = 3
"""Days of lists whose outcome is known before a canary is judged."""

ENOUGH_USERS = 50
"""Users of either group, at least."""

LONGEST = timedelta(days=28)
"""How long a canary may last that nothing decides."""

_HASH_BYTES = 8


class Outcome(StrEnum):
    """What became of a canary, column `outcome`."""

    PROMOTED = "promoted"
    ENDED = "ended"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Canary:
    """A row of `recommendations.canaries`.

    Attributes:
        canary_id: Its id.
        champion_version: Whom the challenger is compared with.
        challenger_version: Who serves the share.
        share: Of the users, 0 to 1.
        started_at: When, UTC.
        ended_at: When, UTC; None while it runs.
        outcome: What became of it; None while it runs.
        reason: Why it ended, a sentence; None while it runs.
    """

    canary_id: UUID
    champion_version: str
    challenger_version: str
    share: float
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str | None

    def serves(self, user_ids: NDArray[np.object_]) -> Flags:
        """Whether each user is in the group (n_users)."""
        limit = int(self.share * 256**_HASH_BYTES)
        salt = self.canary_id.bytes
        hashes = (
            hashlib.blake2b(user_id.encode(), digest_size=_HASH_BYTES, key=salt).digest()
            for user_id in user_ids
        )
        return np.fromiter(
            (int.from_bytes(digest) < limit for digest in hashes), bool, len(user_ids)
        )


@dataclass(frozen=True)
class Comparison:
    """A row of `marts.rpt_canary_lift`: the lift of the challenger's group over the champion's.

    Attributes:
        day_count: Days of lists whose outcome is known.
        user_count: Users in the smaller group.
        difference: Mean lift of the challenger's users less that of the champion's.
        difference_lower: Lower bound of its 95 % interval; None where a group is too small.
        difference_upper: Upper bound.
    """

    day_count: int
    user_count: int
    difference: float | None
    difference_lower: float | None
    difference_upper: float | None

    @property
    def sentence(self) -> str:
        """What is known so far."""
        if self.difference is None or self.difference_lower is None:
            return "no outcome is known yet"
        low, high = self.difference_lower, self.difference_upper or 0.0
        return (
            f"lift {100 * self.difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f}) "
            f"over {self.day_count} days"
        )


def review_canary(
    registry: Registry, connection: psycopg.Connection, source_name: str, share: float
) -> tuple[Canary, LoadedModel] | None:
    """Judges the canary that runs, and begins one where there is none and a challenger waits.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock, in autocommit mode.
        source_name: Whose users.
        share: Of the users, for a new one; 0 ends the one that runs, and begins none.

    Returns:
        The canary that serves today, with its model; None where none does.
    """
    running = [
        (one, found) for one, found in read_canaries(connection, source_name) if not one.ended_at
    ]
    for canary, found in running:
        champion = registry.find(CHAMPION)
        verdict = _judge(canary, found, champion, share)
        if verdict is None:
            return _load(registry, connection, canary)
        outcome, reason = verdict
        challenger = _version(registry, canary.challenger_version)
        if outcome is Outcome.PROMOTED and challenger is not None and challenger != champion:
            bounds = (found.difference, found.difference_lower, found.difference_upper)
            decision = Decision(True, reason, *bounds, found.user_count)
            promote_canary(registry, connection, challenger, decision)
        _end(connection, canary, outcome, reason)
    begun = _begin(registry, connection, source_name, share) if share > 0 else None
    return _load(registry, connection, begun) if begun else None


def read_canaries(
    connection: psycopg.Connection, source_name: str
) -> list[tuple[Canary, Comparison]]:
    """The canaries of a source, the newest first, and what came of each as of the marts."""
    if not table_exists(connection, SCHEMA, "canaries"):
        return []
    canaries = (
        connection.cursor(row_factory=class_row(Canary))
        .execute(
            """
            select
                canary_id,
                champion_version,
                challenger_version,
                share,
                started_at,
                ended_at,
                outcome,
                reason
            from recommendations.canaries
            where source_name = %s
            order by started_at desc
            """,
            (source_name,),
        )
        .fetchall()
    )
    return [(canary, _compare_groups(connection, canary)) for canary in canaries]


def _compare_groups(connection: psycopg.Connection, canary: Canary) -> Comparison:
    """What both groups played until now, as of the marts."""
    nothing = Comparison(0, 0, None, None, None)
    if not table_exists(connection, "marts", "rpt_canary_lift"):
        return nothing
    found = (
        connection.cursor(row_factory=class_row(Comparison))
        .execute(
            """
            select
                day_count,
                least(challenger_user_count, champion_user_count) as user_count,
                difference,
                difference_lower,
                difference_upper
            from marts.rpt_canary_lift
            where canary_id = %s
            """,
            (canary.canary_id,),
        )
        .fetchone()
    )
    return found or nothing


def record_users(
    connection: psycopg.Connection, canary: Canary, source_name: str, user_ids: NDArray[np.object_]
) -> None:
    """Writes down who is in the group, with the lists that they get.

    Args:
        connection: Connection with the lists' transaction.
        canary: The canary.
        source_name: Whose users.
        user_ids: Who is in the group.
    """
    connection.execute(
        """
        insert into recommendations.canary_users (canary_id, source_name, user_id)
        select %s, %s, unnest(%s::text[])
        on conflict do nothing
        """,
        (canary.canary_id, source_name, user_ids.tolist()),
    )


def _judge(
    canary: Canary, found: Comparison, champion: Version | None, share: float
) -> tuple[Outcome, str] | None:
    """What becomes of a canary, and why; None while it goes on."""
    is_enough = found.day_count >= ENOUGH_DAYS and found.user_count >= ENOUGH_USERS
    lower, upper = found.difference_lower or 0.0, found.difference_upper or 0.0
    verdict = None
    if champion is not None and champion.number == canary.challenger_version:
        verdict = Outcome.PROMOTED, "It became champion."
    elif champion is None or champion.number != canary.champion_version:
        verdict = Outcome.ABANDONED, "Another model became champion meanwhile."
    elif share == 0:
        verdict = Outcome.ABANDONED, "LISTENHOUSE_CANARY_PERCENT is 0."
    elif is_enough and lower > 0:
        verdict = Outcome.PROMOTED, f"Better than the champion where it served: {found.sentence}."
    elif is_enough and upper < 0:
        verdict = Outcome.ENDED, f"Worse than the champion where it served: {found.sentence}."
    elif datetime.now(UTC) - canary.started_at > LONGEST:
        verdict = Outcome.ENDED, f"Undecided after {LONGEST.days} days: {found.sentence}."
    return verdict


def _begin(
    registry: Registry, connection: psycopg.Connection, source_name: str, share: float
) -> Canary | None:
    """Begins a canary where the challenger may be tried and was not before."""
    champion, challenger = registry.find(CHAMPION), registry.find(CHALLENGER)
    if champion is None or challenger is None or not _may_serve(connection, challenger):
        return None
    # by the clock of the database, as the time of the lists
    cursor = connection.cursor(row_factory=class_row(Canary)).execute(
        """
        insert into recommendations.canaries (
            canary_id, source_name, champion_version, challenger_version, share, code_version,
            started_at
        )
        values (%s, %s, %s, %s, %s, %s, clock_timestamp())
        returning
            canary_id, champion_version, challenger_version, share, started_at, ended_at, outcome,
            reason
        """,
        (
            uuid4(),
            source_name,
            champion.number,
            challenger.number,
            share,
            package_version("listenhouse"),
        ),
    )
    [canary] = cursor.fetchall()
    _logger.info("canary begun", challenger=challenger.number, share=share)
    return canary


def _may_serve(connection: psycopg.Connection, challenger: Version) -> bool:
    """Whether the gate refused it without its being surely worse, and no canary tried it."""
    row = connection.execute(
        """
        select promotions.upper > 0 and not exists (
            select from recommendations.canaries
            where canaries.challenger_version = %(version)s
                and canaries.source_name = trainings.source_name
        )
        from recommendations.promotions
        inner join recommendations.trainings using (training_id)
        where promotions.decision = 'refused' and promotions.training_id = %(training)s
        """,
        {"version": challenger.number, "training": challenger.training_id},
    ).fetchone()
    return bool(row and row[0])


def _load(
    registry: Registry, connection: psycopg.Connection, canary: Canary
) -> tuple[Canary, LoadedModel] | None:
    """The canary with its model; without one it is over."""
    challenger = _version(registry, canary.challenger_version)
    try:
        if challenger is not None:
            return canary, registry.load(challenger)
        cause = "it is no longer registered"
    except BrokenArtifactError as error:
        cause = str(error)
    reason = f"The challenger cannot be loaded: {cause}."
    _end(connection, canary, Outcome.ABANDONED, reason)
    return None


def _end(connection: psycopg.Connection, canary: Canary, outcome: Outcome, reason: str) -> None:
    connection.execute(
        """
        update recommendations.canaries
        set ended_at = clock_timestamp(), outcome = %s, reason = %s
        where canary_id = %s
        """,
        (outcome, reason, canary.canary_id),
    )
    _logger.info("canary over", challenger=canary.challenger_version, outcome=outcome, cause=reason)


def _version(registry: Registry, number: str) -> Version | None:
    return next((version for version in registry.versions() if version.number == number), None)
