"""A training: data, candidates, a challenger, and the gate that it has to pass.

In: the marts as of their boundary. Out: a challenger in the registry, promoted or not, and the
evidence: rows of `trainings`, `evaluations` and `promotions`. Also the tracks that are similar to
each other.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version as package_version
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql
from rich.console import Console
from rich.status import Status

from recommender.also_rans import NEAR, TRIES, find_also_rans
from recommender.catalogue import in_catalogue
from recommender.champion import apply_decision, load_champion, promote_first, reconcile
from recommender.gate import Contest, Decision, decide
from recommender.installed_models import installed_candidates
from recommender.interactions import Interactions, read_interactions, read_listens
from recommender.metrics import LIST_LENGTH, Measurement, evaluate
from recommender.models import NO_TRACK, FittedModel
from recommender.neighbours import similar_tracks
from recommender.panel import PANEL, POPULARITY, Candidate
from recommender.recommend import SOURCE_NAME
from recommender.registry import (
    CHALLENGER,
    CHAMPION,
    LoadedModel,
    Registry,
    Version,
    open_registry,
)
from recommender.rows import list_columns, replace_rows
from recommender.selection import select, serve_holdout
from recommender.split import Holdout, split_listens
from recommender.tables import create_tables
from recommender.triggers import Standing, Trigger, judge_triggers
from warehouse.errors import RecommenderError
from warehouse.ops.run_record import RunRecord
from warehouse.redaction import without_values
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

MIN_USERS, MIN_TRACKS, MIN_LISTENS = 50, 50, 500
"""With fewer users who listened, tracks to recommend, or listens, nothing is trained."""

DEFAULT_SEED = 1


class TrainingStatus(StrEnum):
    """How a training ended, column `status`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    DIED = "died"


@dataclass(frozen=True)
class RetrainReport:
    """What a training did, or why there was none.

    Attributes:
        triggers: What asked for it, or did not; empty when a person did.
        status: How it ended; None when it was not needed.
        refusal: Why the data was refused.
        left_out: Names of the candidates that were not tried, as they had lagged behind.
        listen_count: Listens that it saw.
        user_count: Users who listened.
        data_cutoff: The boundary of the data, UTC.
        challenger: What it made.
        decision: What the gate said of it.
    """

    triggers: tuple[Trigger, ...] = ()
    status: TrainingStatus | None = None
    refusal: str | None = None
    left_out: tuple[str, ...] = ()
    listen_count: int = 0
    user_count: int = 0
    data_cutoff: datetime | None = None
    challenger: Version | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class _Training:
    """A training under way, and its row of `trainings`."""

    settings: Settings
    connection: psycopg.Connection
    registry: Registry
    training_id: UUID
    seed: int
    panel: tuple[Candidate, ...] | None

    def update(self, **values: object) -> None:
        """Completes the row."""
        changes = [sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in values]
        self.connection.execute(
            sql.SQL("update recommendations.trainings set {} where training_id = {}").format(
                sql.SQL(", ").join(changes), sql.Literal(self.training_id)
            ),
            values,
        )


def retrain_if_needed(
    settings: Settings, lock: psycopg.Connection, record: RunRecord, *, seed: int = DEFAULT_SEED
) -> RetrainReport:
    """Trains when a trigger fires, as steps `triggers` and `retrain` of a run.

    Args:
        settings: Which warehouse, and when.
        lock: Connection that holds the run's lock.
        record: The run's record.
        seed: Seed of models and intervals.

    Returns:
        What was done, and each trigger with its reason.

    Raises:
        ListenhouseError: The marts or the registry cannot be read or written.
    """
    with record.step("triggers"):
        create_tables(lock)
        registry = open_registry(settings, lock, SOURCE_NAME)
        reconcile(registry, lock)
        standing = _find_standing(lock, registry)
        boundary = _read_boundary(lock)
        triggers = tuple(judge_triggers(lock, SOURCE_NAME, standing, boundary, settings.retrain))
        fired = [trigger for trigger in triggers if trigger.fired]
        for trigger in triggers:
            _logger.info(
                "trigger judged",
                trigger=trigger.name,
                fired=trigger.fired,
                sentence=trigger.sentence,
            )
    if not fired:
        return RetrainReport(triggers)
    detail = " ".join(trigger.sentence for trigger in fired)
    report = retrain(settings, lock, record, reason=fired[0].name, detail=detail, seed=seed)
    return replace(report, triggers=triggers)


def retrain(  # noqa: PLR0913 (what a training is asked for by)
    settings: Settings,
    lock: psycopg.Connection,
    record: RunRecord,
    *,
    reason: str = "manual",
    detail: str | None = None,
    seed: int = DEFAULT_SEED,
    panel: tuple[Candidate, ...] | None = None,
) -> RetrainReport:
    """Trains a challenger and lets the gate decide on it, as step `retrain` of a run.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        record: The run's record.
        reason: The trigger; `manual` for a person.
        detail: What the trigger says.
        seed: Seed of models and intervals.
        panel: The candidates; when None, `PANEL` and those of installed packages, without those
            that always lagged.

    Returns:
        What was done. Data that nothing can be learned from is refused, which is no error.

    Raises:
        ListenhouseError: The marts or the registry cannot be read or written.
    """
    with record.step("retrain"):
        create_tables(lock)
        registry = open_registry(settings, lock, SOURCE_NAME)
        # the lock is ours, so nobody is training
        lock.execute(
            "update recommendations.trainings set status = %s where status = %s",
            (TrainingStatus.DIED, TrainingStatus.RUNNING),
        )
        reconcile(registry, lock)
        training = _Training(settings, lock, registry, uuid4(), seed, panel)
        lock.execute(
            """
            insert into recommendations.trainings (
                training_id, source_name, reason, detail, seed, status, code_version, started_at
            )
            values (%s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                training.training_id,
                SOURCE_NAME,
                reason,
                detail,
                seed,
                TrainingStatus.RUNNING,
                package_version("listenhouse"),
                datetime.now(UTC),
            ),
        )
        try:
            # a spinner where a terminal watches
            with Console(stderr=True).status("Reading listens") as status:
                report = _train(training, status)
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            message = str(error) or ("interrupted by a signal" if interrupted else "")
            # where the database is gone, the next training marks this one as died
            with suppress(psycopg.Error):
                training.update(
                    status=TrainingStatus.FAILED,
                    message=without_values(message or type(error).__name__),
                    ended_at=datetime.now(UTC),
                )
            raise
        _logger.info(
            "training ended",
            reason=reason,
            status=report.status,
            model_version=report.challenger.number if report.challenger else None,
            is_promoted=report.decision.promote if report.decision else None,
        )
        return report


def _train(training: _Training, status: Status) -> RetrainReport:
    interactions = read_interactions(training.settings, SOURCE_NAME)
    report = RetrainReport(
        listen_count=int(interactions.plays.sum(dtype=np.float64)),
        user_count=int((np.diff(interactions.plays.indptr) > 0).sum()),
        data_cutoff=interactions.data_cutoff,
    )
    training.update(
        data_cutoff=report.data_cutoff,
        user_count=report.user_count,
        track_count=int(interactions.recommendable.sum()),
        listen_count=report.listen_count,
    )
    refusal = _find_fault(training.connection, interactions, report)
    if refusal is not None:
        training.update(status=TrainingStatus.REFUSED, message=refusal, ended_at=datetime.now(UTC))
        return replace(report, status=TrainingStatus.REFUSED, refusal=refusal)

    listens = read_listens(training.settings, interactions)
    split = split_listens(interactions, listens, training.seed, training.settings.lists)
    status.update("Comparing candidates")
    panel = training.panel
    if panel is None:
        everyone = (*PANEL, *installed_candidates())
        also_rans = find_also_rans(training.connection, interactions.source_name)
        # popularity is what a source without tastes comes down to, whatever was before
        panel = tuple(one for one in everyone if one is POPULARITY or one.name not in also_rans)
        report = replace(report, left_out=tuple(one.name for one in everyone if one not in panel))
    selection = select(split.validation, training.seed, panel)
    for name, measurements in selection.measurements.items():
        _write_evaluations(training, measurements, "panel", name, split="validation")

    status.update(f"Training {selection.winner.name}")
    champion = load_champion(training.registry, training.connection)
    if champion is None:
        champion = _register_first(training, interactions)
    challenger = _register(training, interactions, selection.winner)
    training.registry.point(CHALLENGER, challenger)
    training.update(
        split_at=split.test.held_from,
        selected_candidate=selection.winner.name,
        model_version=challenger.number,
    )

    status.update("Looking for similar tracks")
    with training.connection.transaction():
        _write_similar_tracks(training, interactions)

    status.update("Comparing with the champion")
    decision = _contest(training, interactions, split.test, champion, challenger)
    apply_decision(training.registry, training.connection, challenger, decision)
    training.update(
        status=TrainingStatus.SUCCEEDED,
        message=left_out_sentence(report.left_out) if report.left_out else None,
        ended_at=datetime.now(UTC),
    )
    training.registry.delete_old_artifacts()
    return replace(
        report, status=TrainingStatus.SUCCEEDED, challenger=challenger, decision=decision
    )


def left_out_sentence(names: tuple[str, ...]) -> str:
    """Says which candidates were not tried, and why."""
    return (
        f"Not tried: {', '.join(names)}; in the last {TRIES} trainings that tried them they did "
        f"not reach {NEAR:.0%} of the best."
    )


def _find_fault(
    connection: psycopg.Connection, interactions: Interactions, report: RetrainReport
) -> str | None:
    """What is wrong with the data, if anything."""
    row = connection.execute(
        """
        select count(*)
        from marts.rpt_user_track_affinities as affinities
        left join marts.rpt_user_features as users using (source_name, user_id)
        left join marts.rpt_track_features as tracks using (source_name, track_id)
        where source_name = %s
            and (
                users.user_id is null
                or tracks.track_id is null
                or user_id = ''
                or track_id = ''
                or affinities.listen_count < 1
            )
        """,
        (interactions.source_name,),
    ).fetchone()
    if row and row[0]:
        return (
            f"{row[0]:,} rows of marts.rpt_user_track_affinities name users or tracks that the "
            "features do not have: rebuild the marts with `dbt build`."
        )
    counts = {
        "users who listened": (report.user_count, MIN_USERS),
        "tracks to recommend": (int(interactions.recommendable.sum()), MIN_TRACKS),
        "listens": (report.listen_count, MIN_LISTENS),
    }
    for what, (count, fewest) in counts.items():
        if count < fewest:
            return f"Too little to learn from: {count:,} {what}, not {fewest:,}."
    return None


def _register(training: _Training, interactions: Interactions, candidate: Candidate) -> Version:
    """Fits a candidate to all there is and makes it a version."""
    return training.registry.register(
        candidate.fit(interactions.plays, training.seed),
        candidate,
        interactions.track_ids,
        training.training_id,
        interactions.data_cutoff,
    )


def _register_first(training: _Training, interactions: Interactions) -> LoadedModel:
    """Makes popularity champion, where there is none."""
    version = _register(training, interactions, POPULARITY)
    promote_first(training.registry, training.connection, version)
    return training.registry.load(version)


def _contest(
    training: _Training,
    interactions: Interactions,
    test: Holdout,
    champion: LoadedModel,
    challenger: Version,
) -> Decision:
    """Scores champion, challenger and popularity on the same users, and decides.

    The champion is scored as it is in production, unless it has seen what is held out: then what
    its recipe makes of the rest stands in for it.
    """

    def refit(candidate: Candidate) -> FittedModel:
        return candidate.fit(test.plays, training.seed)

    has_seen = test.held_from is not None and champion.version.data_cutoff >= test.held_from
    champion_model = (
        refit(champion.version.candidate)
        if has_seen
        else in_catalogue(champion.model, champion.track_ids, interactions.track_ids)
    )
    contenders: dict[str, tuple[Candidate, Version | None, FittedModel]] = {
        "challenger": (challenger.candidate, challenger, refit(challenger.candidate)),
        "champion": (champion.version.candidate, champion.version, champion_model),
        "popularity": (POPULARITY, None, refit(POPULARITY)),
    }
    lists = {}
    for role, (candidate, version, model) in contenders.items():
        lists[role] = serve_holdout(model, test, candidate.cold_start).tracks
        if len(test.users):
            measurements = evaluate(lists[role], test, training.seed)
            _write_evaluations(
                training, measurements, role, candidate.name, split="test", version=version
            )
    return decide(Contest(**lists), test, training.seed)


def _write_evaluations(  # noqa: PLR0913 (the columns of the table)
    training: _Training,
    measurements: tuple[Measurement, ...],
    role: str,
    candidate: str,
    *,
    split: str,
    version: Version | None = None,
) -> None:
    shared = {
        "training_id": training.training_id,
        "role": role,
        "candidate": candidate,
        "model_version": version.number if version else None,
        "split": split,
    }
    training.connection.cursor().executemany(
        """
        insert into recommendations.evaluations (
            training_id, role, candidate, model_version, split, segment, metric, cutoff, value,
            lower, upper, user_count
        )
        values (
            %(training_id)s, %(role)s, %(candidate)s, %(model_version)s, %(split)s, %(segment)s,
            %(metric)s, %(cutoff)s, %(value)s, %(lower)s, %(upper)s, %(user_count)s
        )
        """,
        [shared | vars(measurement) for measurement in measurements],
    )


def _write_similar_tracks(training: _Training, interactions: Interactions) -> None:
    tracks, scores = similar_tracks(interactions.plays, LIST_LENGTH, interactions.recommendable)
    owners, ranks, similar = list_columns(interactions.track_ids, tracks, interactions.track_ids)
    rows: dict[str, Any] = {
        "track_id": owners,
        "rank": ranks,
        "similar_track_id": similar,
        "score": scores[tracks != NO_TRACK],
    }
    constants = {
        "training_id": str(training.training_id),
        "data_cutoff": interactions.data_cutoff,
    }
    key = {"source_name": interactions.source_name}
    replace_rows(training.connection, "similar_tracks", [pa.table(rows)], key, constants)


def _find_standing(connection: psycopg.Connection, registry: Registry) -> Standing | None:
    row = connection.execute(
        """
        select data_cutoff
        from recommendations.trainings
        where source_name = %s
            and status = %s
        order by started_at desc
        limit 1
        """,
        (SOURCE_NAME, TrainingStatus.SUCCEEDED),
    ).fetchone()
    champion = registry.find(CHAMPION)
    if row is None or champion is None:
        return None
    return Standing(row[0].astimezone(UTC), champion)


def _read_boundary(connection: psycopg.Connection) -> datetime:
    boundary = None
    with suppress(psycopg.errors.UndefinedTable):
        row = connection.execute(
            "select max(data_cutoff_at) from marts.rpt_user_features where source_name = %s",
            (SOURCE_NAME,),
        ).fetchone()
        boundary = row[0] if row else None
    if boundary is None:
        raise RecommenderError(
            f"The marts hold no user of the source {SOURCE_NAME}: `listenhouse run` loads and "
            "builds them."
        )
    found: datetime = boundary.replace(tzinfo=UTC)
    return found
