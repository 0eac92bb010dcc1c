"""Which model is the champion: who decides, and how it is written down.

In: versions of the registry. Out: aliases that moved, and a row of `recommendations.promotions`
for each decision. The champion's alias moves first and the row comes last: where a run dies in
between, `reconcile` finds an alias that no row explains, and completes what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version as package_version
from uuid import uuid4

import psycopg

from recommender.artifact import BrokenArtifactError
from recommender.gate import Decision
from recommender.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS_CHAMPION,
    LoadedModel,
    Registry,
    Version,
)
from warehouse.errors import RecommenderError
from warehouse.run_log import get_logger

_logger = get_logger(__name__)


class Verdict(StrEnum):
    """What was decided, column `decision`."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    FELL_BACK = "fell_back"
    RESTORED = "restored"
    RECONCILED = "reconciled"


@dataclass(frozen=True)
class Rollback:
    """A champion to put back.

    Attributes:
        given_up: The champion until now.
        champion: The champion before it.
    """

    given_up: Version
    champion: Version


@dataclass(frozen=True)
class _Move:
    """A row of `recommendations.promotions` to be."""

    verdict: Verdict
    decided_by: str
    champion: Version | None
    successor: Version | None
    reason: str
    decision: Decision | None = None
    metric: str = "ndcg@20"


def apply_decision(
    registry: Registry, connection: psycopg.Connection, challenger: Version, decision: Decision
) -> None:
    """Carries out what the gate decided.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock.
        challenger: Who was judged.
        decision: What was decided.
    """
    champion = registry.find(CHAMPION)
    if decision.promote:
        _move_champion(registry, champion, challenger)
    verdict = Verdict.PROMOTED if decision.promote else Verdict.REFUSED
    _record(connection, _Move(verdict, "gate", champion, challenger, decision.reason, decision))


def promote_canary(
    registry: Registry, connection: psycopg.Connection, challenger: Version, decision: Decision
) -> None:
    """Makes the challenger champion that served better than it.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock.
        challenger: Who served a share of the users.
        decision: What came of it, in lift.
    """
    champion = registry.find(CHAMPION)
    _move_champion(registry, champion, challenger)
    promoted = (Verdict.PROMOTED, "canary", champion, challenger, decision.reason, decision)
    _record(connection, _Move(*promoted, metric="lift"))


def promote_first(registry: Registry, connection: psycopg.Connection, version: Version) -> None:
    """Makes a version champion where there is none.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock.
        version: The champion to be.
    """
    _move_champion(registry, None, version)
    _record(connection, _Move(Verdict.PROMOTED, "gate", None, version, "first champion"))


def plan_rollback(registry: Registry) -> Rollback:
    """Finds the champion that a rollback would put back.

    Raises:
        RecommenderError: There is none, or its file is broken.
    """
    champion, previous = registry.find(CHAMPION), registry.find(PREVIOUS_CHAMPION)
    if champion is None or previous is None:
        raise RecommenderError(
            "There is no previous champion to restore: no model has replaced another "
            "yet. `listenhouse models` lists what is registered."
        )
    try:
        registry.load(previous)
    except BrokenArtifactError as error:
        raise RecommenderError(
            f"The previous champion, {previous.label}, cannot be restored: {error}. Restore the "
            "file, or train a model with `listenhouse retrain`."
        ) from error
    return Rollback(champion, previous)


def roll_back(
    registry: Registry,
    connection: psycopg.Connection,
    rollback: Rollback,
    decided_by: str,
    reason: str,
) -> None:
    """Puts the previous champion back; the champion becomes the previous one.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock.
        rollback: What was planned.
        decided_by: Who wants it.
        reason: Why.
    """
    given_up, champion = rollback.given_up, rollback.champion
    _move_champion(registry, given_up, champion)
    _record(connection, _Move(Verdict.ROLLED_BACK, decided_by, given_up, champion, reason))


def load_champion(registry: Registry, connection: psycopg.Connection) -> LoadedModel | None:
    """Loads the champion; while its file is broken, the previous one takes its place.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock.

    Returns:
        The champion; None when there is none whose file is whole.
    """
    restored = _restore(registry, connection)
    if restored is not None:
        return restored
    champion = registry.find(CHAMPION)
    if champion is None:
        return None
    try:
        return registry.load(champion)
    except BrokenArtifactError as error:
        broken = error
    previous = registry.find(PREVIOUS_CHAMPION)
    loaded = None
    if previous is not None:
        try:
            loaded = registry.load(previous)
        except BrokenArtifactError as error:
            _logger.error("previous champion broken", version=previous.number, cause=str(error))
    if loaded is not None:
        _move_champion(registry, champion, loaded.version)
    successor = loaded.version if loaded else None
    reason = (
        f"The champion, {champion.label}, cannot be loaded: {broken}; "
        f"{successor.label if successor else 'popularity'} takes its place."
    )
    _record(connection, _Move(Verdict.FELL_BACK, "recommender", champion, successor, reason))
    _logger.error(
        "champion broken",
        version=champion.number,
        cause=str(broken),
        replaced_by=successor.number if successor else None,
    )
    return loaded


def _restore(registry: Registry, connection: psycopg.Connection) -> LoadedModel | None:
    """Puts a champion back whose file was broken when it was last needed, and is whole again."""
    versions = {version.number: version for version in registry.versions()}
    row = connection.execute(
        """
        select decision, from_version
        from recommendations.promotions
        where decision <> 'refused' and training_id = any(%s)
        order by decided_at desc
        limit 1
        """,
        ([version.training_id for version in versions.values()],),
    ).fetchone()
    if row is None or row[0] != Verdict.FELL_BACK or row[1] not in versions:
        return None
    try:
        loaded = registry.load(versions[row[1]])
    except BrokenArtifactError:
        return None
    champion = registry.find(CHAMPION)
    if champion is not None and champion.number != loaded.version.number:
        _move_champion(registry, champion, loaded.version)
    reason = f"The file of {loaded.version.label}, which was the champion, is whole again."
    _record(connection, _Move(Verdict.RESTORED, "recommender", champion, loaded.version, reason))
    _logger.warning("champion restored", version=loaded.version.number)
    return loaded


def reconcile(registry: Registry, connection: psycopg.Connection) -> None:
    """Writes down, and completes, what a run that died left half done.

    Args:
        registry: The registry.
        connection: Connection that holds the run's lock.
    """
    champion = registry.find(CHAMPION)
    if champion is None:
        return
    versions = {version.number: version for version in registry.versions()}
    # versions are numbered by source, trainings know theirs
    rows = connection.execute(
        """
        select to_version
        from recommendations.promotions
        where to_version is not null
            and decision <> 'refused'
            and training_id = any(%s)
        order by decided_at desc
        limit 1
        """,
        ([version.training_id for version in versions.values()],),
    ).fetchall()
    recorded = versions.get(rows[0][0]) if rows else None
    if recorded is not None and recorded.number == champion.number:
        return
    _move_champion(registry, recorded, champion)
    reason = (
        f"{champion.label} was champion and no decision said so: a run died before it could write "
        "it down, or somebody moved the alias."
    )
    _record(connection, _Move(Verdict.RECONCILED, "recommender", recorded, champion, reason))
    _logger.warning("champion reconciled", version=champion.number)


def _move_champion(registry: Registry, champion: Version | None, successor: Version) -> None:
    registry.point(CHAMPION, successor)
    if champion is not None:
        registry.point(PREVIOUS_CHAMPION, champion)
    if registry.find(CHALLENGER) == registry.find(CHAMPION):
        registry.remove(CHALLENGER)


def _record(connection: psycopg.Connection, move: _Move) -> None:
    subject, decision = move.successor or move.champion, move.decision
    connection.execute(
        """
        insert into recommendations.promotions (
            promotion_id, training_id, decision, decided_by, from_version, to_version, reason,
            metric, difference, lower, upper, user_count, data_cutoff, code_version, decided_at
        )
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            uuid4(),
            subject.training_id if subject else None,
            move.verdict,
            move.decided_by,
            move.champion.number if move.champion else None,
            move.successor.number if move.successor else None,
            move.reason,
            move.metric if decision else None,
            decision.difference if decision else None,
            decision.lower if decision else None,
            decision.upper if decision else None,
            decision.user_count if decision else None,
            subject.data_cutoff if subject else None,
            package_version("listenhouse"),
            datetime.now(UTC),
        ),
    )
