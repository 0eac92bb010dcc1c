"""The commands `recommend`, `retrain`, `rollback-model` and `models`.

In: settings. Out: lists, models, and lines on the terminal.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import click
import psycopg
from psycopg.rows import dict_row
from rich import box
from rich.console import Console
from rich.table import Table

from recommender import registry as model_registry
from recommender.canary import Canary, Comparison, read_canaries
from recommender.champion import Rollback, plan_rollback, reconcile, roll_back
from recommender.metrics import LIST_LENGTH
from recommender.recommend import SOURCE_NAME, RecommendReport, recommend
from recommender.registry import open_registry
from recommender.retrain import (
    DEFAULT_SEED,
    RetrainReport,
    TrainingStatus,
    left_out_sentence,
    retrain,
    retrain_if_needed,
)
from recommender.tables import create_tables
from recommender.triggers import Trigger
from warehouse.database import connect
from warehouse.errors import RecommenderError
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

_LAST_DECISIONS = """
    select distinct on (to_version)
        to_version,
        decision,
        reason,
        decided_by,
        decided_at
    from recommendations.promotions
    where to_version is not null
    order by to_version, decided_at desc
"""


def run_recommend(settings: Settings, for_date: date | None) -> None:
    """Computes the lists of a day, and shows what was written.

    Args:
        settings: Which warehouse.
        for_date: The day; that of the data's boundary when None.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    record = RunRecord(settings, "listenhouse recommend")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        report = recommend(settings, lock, record, for_date=for_date)
    print_lists(report)


def print_lists(report: RecommendReport) -> None:
    """Prints what a calculation wrote.

    Args:
        report: What it wrote.
    """
    console = Console(highlight=False, markup=False)
    sources = ", ".join(f"{name} {count:,}" for name, count in report.counts.items())
    console.print(
        f"{report.user_count:,} users have recommendations for {report.for_date} by "
        f"{report.model or 'popularity, as there is no model to use'}; tracks are from: "
        f"{sources or 'nowhere'}.",
        soft_wrap=True,
    )
    if report.canary:
        console.print(f"{report.canary.capitalize()}.", soft_wrap=True)
    if report.same_since:
        console.print(
            f"They are those of {report.same_since:%F %T} UTC, which stay: nothing was written.",
            soft_wrap=True,
        )
    if report.short_list_count:
        console.print(
            f"{report.short_list_count:,} lists have fewer than {LIST_LENGTH} tracks: their users "
            "have heard the others.",
            soft_wrap=True,
        )


def run_retrain(settings: Settings, *, only_if_needed: bool, seed: int | None) -> bool:
    """Trains a model, and shows what came of it.

    Args:
        settings: Which warehouse.
        only_if_needed: Train when a trigger fires only.
        seed: Seed of models and intervals; always the same one when None.

    Returns:
        False when the data was refused.

    Raises:
        ListenhouseError: Something a person has to act on.
    """
    record = RunRecord(settings, "listenhouse retrain")
    train = retrain_if_needed if only_if_needed else retrain
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        report = train(settings, lock, record, seed=DEFAULT_SEED if seed is None else seed)
    print_training(report)
    return report.status is not TrainingStatus.REFUSED


def print_training(report: RetrainReport) -> None:
    """Prints what a training did, or why there was none.

    Args:
        report: What it did.
    """
    console = Console(highlight=False, markup=False)
    for trigger in report.triggers:
        mark = "needed" if trigger.fired else "not needed"
        console.print(f"{trigger.name}: {mark}. {trigger.sentence}", soft_wrap=True)
    if report.status is None:
        console.print("Nothing was trained.")
    elif report.refusal is not None:
        console.print(f"Nothing was trained. {report.refusal}", soft_wrap=True)
    elif report.challenger is not None and report.decision is not None:
        outcome = "is champion now" if report.decision.promote else "was not promoted"
        console.print(
            f"Trained on {report.listen_count:,} listens of {report.user_count:,} users as of "
            f"{report.data_cutoff:%F %T} UTC. {report.challenger.label.capitalize()} {outcome}. "
            f"{report.decision.reason}",
            soft_wrap=True,
        )
        if report.left_out:
            console.print(left_out_sentence(report.left_out), soft_wrap=True)


def print_no_training(triggers: tuple[Trigger, ...]) -> None:
    """Prints why a run trained nothing, in a line.

    Args:
        triggers: What did not ask for it.
    """
    reasons = " ".join(trigger.sentence for trigger in triggers)
    Console(highlight=False, markup=False).print(f"Nothing was trained. {reasons}", soft_wrap=True)


def run_rollback(settings: Settings, reason: str, *, agreed: bool) -> bool:
    """Puts the previous champion back, and shows it.

    Args:
        settings: Which warehouse.
        reason: Why, for the trace.
        agreed: Do not ask.

    Returns:
        False when the person said no.

    Raises:
        ListenhouseError: Something a person has to act on; nothing is changed.
    """
    # also while the question stands: what is put back is what was shown
    with hold_run_lock(settings) as lock:
        create_tables(lock)
        registry = open_registry(settings, lock, SOURCE_NAME)
        reconcile(registry, lock)
        rollback = plan_rollback(registry)
        if not agreed and not _agrees(rollback):
            click.echo("Nothing was changed.")
            return False
        roll_back(registry, lock, rollback, settings.trigger, reason or "no reason given")
    click.echo(
        f"{rollback.champion.label.capitalize()} is champion again, in place of "
        f"{rollback.given_up.label}. Lists change with the next `listenhouse recommend`."
    )
    return True


def list_models(settings: Settings, *, as_json: bool) -> None:
    """Shows the registered models, the newest first.

    Args:
        settings: Which warehouse.
        as_json: For machines.

    Raises:
        DatabaseError: The warehouse cannot be reached.
    """
    with connect(settings, "listenhouse models") as connection:
        models = _read_models(settings, connection)
        canaries = read_canaries(connection, SOURCE_NAME) if models else []
    if as_json:
        click.echo(json.dumps(models, default=str, indent=2))
        return
    console = Console(highlight=False, markup=False)
    if not models:
        console.print("No model is registered yet: `listenhouse retrain` trains one.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("version", "model", "is", "data as of (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("last decision")
    for model in models:
        decision = f"{model['decision']}: {model['reason']}" if model["decision"] else ""
        table.add_row(
            model["version"],
            model["candidate"],
            ", ".join(model["aliases"]),
            f"{model['data_cutoff']:%Y-%m-%d %H:%M}",
            decision,
        )
    console.print(table)
    for canary, comparison in canaries:
        console.print(describe_canary(canary, comparison), soft_wrap=True)


def describe_canary(canary: Canary, comparison: Comparison) -> str:
    """What a canary serves, and what is known of it or why it ended: a sentence or two."""
    served = f"version {canary.challenger_version} for {canary.share:.0%} of the users"
    if canary.ended_at is None:
        return f"Canary since {canary.started_at:%F}: {served}; {comparison.sentence}."
    return f"Canary {canary.started_at:%F} to {canary.ended_at:%F}: {served}. {canary.reason}"


def _read_models(settings: Settings, connection: psycopg.Connection) -> list[dict[str, Any]]:
    if not model_registry.exists(connection):
        return []
    registry = open_registry(settings, connection, SOURCE_NAME)
    rows = connection.cursor(row_factory=dict_row).execute(_LAST_DECISIONS).fetchall()
    decisions = {row.pop("to_version"): row for row in rows}
    nothing = dict.fromkeys(("decision", "reason", "decided_by", "decided_at"))
    return [
        {
            "version": version.number,
            "candidate": version.candidate.name,
            "aliases": version.aliases,
            "data_cutoff": version.data_cutoff,
            "registered_at": version.registered_at,
            "training_id": version.training_id,
            "sha256": version.sha256,
            **(decisions.get(version.number) or nothing),
        }
        for version in registry.versions()
    ]


def _agrees(rollback: Rollback) -> bool:
    if not sys.stdin.isatty():
        raise RecommenderError(
            "Nothing was changed: there is no terminal to ask on; add --yes to roll back without "
            "being asked."
        )
    return click.confirm(
        f"Put {rollback.champion.label} back in place of {rollback.given_up.label}?"
    )
