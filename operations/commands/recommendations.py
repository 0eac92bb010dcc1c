"""Models and lists: `recommend`, `retrain`, `models`, `rollback-model`."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from operations.commands.help import examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import read_settings


@click.command(epilog=examples("listenhouse recommend", "listenhouse recommend --date 2026-03-01"))
@click.option(
    "--date",
    "for_date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day of the lists; by default the day of the last crawl.",
)
def recommend(for_date: datetime | None) -> None:
    """Compute the lists of a day: 20 tracks for every user."""
    from recommender.command import run_recommend  # noqa: PLC0415

    end_on_sigterm()
    run_recommend(read_settings(), for_date.date() if for_date else None)


@click.command(epilog=examples("listenhouse retrain --if-needed"))
@click.option("--if-needed", is_flag=True, help="Train only when a trigger fires, and print which.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of models and intervals.")
def retrain(if_needed: bool, seed: int | None) -> None:
    """Train a model; it becomes champion when it is better. Exit 1 when the data is refused."""
    from recommender.command import run_retrain  # noqa: PLC0415

    end_on_sigterm()
    succeeded = run_retrain(read_settings(), only_if_needed=if_needed, seed=seed)
    sys.exit(0 if succeeded or if_needed else 1)


@click.command(epilog=examples("listenhouse models --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def models(as_json: bool) -> None:
    """List the registered models, the champion, and the last decisions."""
    from recommender.command import list_models  # noqa: PLC0415

    list_models(read_settings(), as_json=as_json)


@click.command(
    "rollback-model",
    epilog=examples('listenhouse rollback-model --reason "worse lift since Monday"'),
)
@click.option("--reason", default="", help="The reason, which is recorded.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def rollback_model(reason: str, yes: bool) -> None:
    """Restore the previous champion; a second call undoes the first."""
    from recommender.command import run_rollback  # noqa: PLC0415

    if not run_rollback(read_settings(), reason, agreed=yes):
        sys.exit(1)
