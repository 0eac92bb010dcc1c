"""The daily calculation: a list for every active user, and what it is measured against.

In: the marts as of their boundary, the champion. Out: a day's rows of schema `recommendations`,
in one transaction: where the day has lists already, these are kept as superseded, and who reads
meanwhile sees what was there before. Lists that come out as they are change nothing. They are
computed and written batch by batch, so memory does not grow with the number of users.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from recommender.canary import Canary, record_users, review_canary
from recommender.catalogue import in_catalogue
from recommender.champion import load_champion, reconcile
from recommender.explanations import explain
from recommender.exploration import Explorer, Share, decide_share, learn_explorer
from recommender.fallback import (
    DEFAULT_COLD_START,
    MODEL,
    SOURCES,
    Fallback,
    learn_fallback,
    recommend_lists,
)
from recommender.generations import is_same, next_generated_at, supersede
from recommender.interactions import Interactions, read_interactions
from recommender.metrics import LIST_LENGTH
from recommender.models import NO_TRACK, FittedModel
from recommender.panel import POPULARITY
from recommender.registry import LoadedModel, open_registry
from recommender.rows import id_lists, list_columns, replace_rows
from recommender.split import caps_of
from recommender.tables import create_tables
from warehouse.ops.run_record import RunRecord
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

SOURCE_NAME = "moovitamix"
"""The source whose users get recommendations."""

FOLD_IN = "fold_in"
"""Where a track is from whose user the model's training did not know."""

POPULAR_TRACKS = 100

BATCH_USERS = 5_000

_NO_VERSION = pa.scalar(None, pa.string())


@dataclass(frozen=True)
class RecommendReport:
    """What a calculation wrote.

    Attributes:
        for_date: The day that the lists are for.
        user_count: Users with a list.
        short_list_count: Those among them whose list is short: the catalogue ended.
        model: The champion, in words; None where popularity was computed on the spot.
        canary: The challenger that serves a share of the users, in words; None without one.
        counts: Recommendations by where they are from.
        data_cutoff: The boundary of the data, UTC.
        same_since: When the lists that the day had were made, where these are the same and so
            were not written.
    """

    for_date: date
    user_count: int
    short_list_count: int
    model: str | None
    canary: str | None
    counts: dict[str, int]
    data_cutoff: datetime
    same_since: datetime | None


@dataclass
class _Tally:
    """What was computed so far.

    Attributes:
        short_lists: Users whose list is short.
        counts: Recommendations by where they are from.
    """

    short_lists: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Serving:
    """Whose lists users get."""

    champion: LoadedModel | None
    canary: tuple[Canary, LoadedModel] | None


@dataclass(frozen=True)
class _Context:
    """What the lists of all users have in common."""

    popularity: FittedModel
    fallback: Fallback
    explorer: Explorer
    share: Share
    tally: _Tally = field(default_factory=_Tally)


def recommend(
    settings: Settings,
    lock: psycopg.Connection,
    record: RunRecord,
    *,
    for_date: date | None = None,
) -> RecommendReport:
    """Computes and publishes the lists of a day, as step `recommend` of a run.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        record: The run's record.
        for_date: The day; that of the data's boundary when None.

    Returns:
        What was written.

    Raises:
        ListenhouseError: The marts or the registry cannot be read; the lists are as they were.
    """
    with record.step("recommend"):
        create_tables(lock)
        registry = open_registry(settings, lock, SOURCE_NAME)
        reconcile(registry, lock)
        # before the champion is loaded: the canary may become it
        canary = review_canary(registry, lock, SOURCE_NAME, settings.canary_percent / 100)
        champion = load_champion(registry, lock)
        interactions = read_interactions(settings, SOURCE_NAME)
        day = for_date or interactions.data_cutoff.date()
        caps = caps_of(interactions, settings.lists)
        share = decide_share(lock, SOURCE_NAME, settings.lists.exploration)
        context = _Context(
            POPULARITY.fit(interactions.plays, seed=0),
            learn_fallback(
                interactions.plays,
                interactions.user_genres,
                interactions.recommendable,
                caps,
            ),
            learn_explorer(interactions, caps, share.slots, day),
            share,
        )
        report = _write_day(lock, interactions, _Serving(champion, canary), context, day)
        _logger.info(
            "lists unchanged" if report.same_since else "lists written",
            for_date=str(day),
            user_count=report.user_count,
            short_list_count=report.short_list_count,
            model_version=champion.version.number if champion else None,
            **report.counts,
        )
        return report


def _write_day(
    connection: psycopg.Connection,
    interactions: Interactions,
    serving: _Serving,
    context: _Context,
    day: date,
) -> RecommendReport:
    key = {"for_date": day, "source_name": interactions.source_name}
    cutoff = {"data_cutoff": interactions.data_cutoff}
    champion, canary, tally = serving.champion, serving.canary, context.tally
    in_canary = np.zeros(len(interactions.user_ids), dtype=bool)
    if canary is not None:
        in_canary = canary[0].serves(interactions.user_ids)
    same_since = None
    with connection.transaction() as writing:
        generated = cutoff | {"generated_at": next_generated_at(connection, key)}
        superseded = supersede(connection, key)
        lists = _recommend(interactions, champion, np.flatnonzero(~in_canary), context)
        if canary is not None:
            own = np.flatnonzero(in_canary)
            record_users(connection, canary[0], SOURCE_NAME, interactions.user_ids[own])
            lists = chain(lists, _recommend(interactions, canary[1], own, context))
        replace_rows(connection, "recommendations", lists, key, generated)
        shadow = _shadow(interactions, context.popularity)
        replace_rows(connection, "popularity_shadow", shadow, key, cutoff)
        popular_tracks = _popular_tracks(interactions)
        replace_rows(connection, "popular_tracks", [popular_tracks], key, cutoff)
        batch = {
            "model_version": champion.version.number if champion else None,
            "user_count": len(interactions.user_ids),
            "list_length": LIST_LENGTH,
            "short_list_count": tally.short_lists,
            "exploration_slots": context.share.slots,
            "exploration_reason": context.share.reason,
        }
        replace_rows(connection, "batches", [pa.Table.from_pylist([batch])], key, generated)
        if superseded is not None and is_same(connection, key, superseded):
            same_since = superseded
            raise psycopg.Rollback(writing)
    return RecommendReport(
        for_date=day,
        user_count=len(interactions.user_ids),
        short_list_count=tally.short_lists,
        model=champion.version.label if champion else None,
        canary=_described(*canary) if canary else None,
        counts=dict(tally.counts),
        data_cutoff=interactions.data_cutoff,
        same_since=same_since,
    )


def _described(canary: Canary, challenger: LoadedModel) -> str:
    return f"{challenger.version.label} serves {canary.share:.0%} of the users as a canary"


def _recommend(
    interactions: Interactions,
    loaded: LoadedModel | None,
    served: NDArray[np.int64],
    context: _Context,
) -> Iterator[pa.Table]:
    """The rows of `recommendations` of the users whom a model serves, a batch at a time.

    A track that the model names is from `model` when the user's first listen is no later than
    the model's data; a user who came later, and so is known by recent plays alone, is folded
    in. Where popularity is the model, or there is none, tracks are from `popularity`.
    """
    model, version, cold_start = context.popularity, _NO_VERSION, DEFAULT_COLD_START
    is_known = np.zeros(len(interactions.user_ids), dtype=bool)
    if loaded is not None:
        model = in_catalogue(loaded.model, loaded.track_ids, interactions.track_ids)
        version = pa.scalar(loaded.version.number)
        cold_start = loaded.version.candidate.cold_start
        trained_until = np.datetime64(loaded.version.data_cutoff.replace(tzinfo=None))
        is_known = interactions.first_listened_at <= trained_until
    own_names = np.where(is_known, MODEL, FOLD_IN).astype(object)
    for rows in _batches(served, "recommendations"):
        lists = recommend_lists(
            model,
            context.fallback,
            interactions.plays[rows],
            interactions.user_genres[rows],
            LIST_LENGTH,
            cold_start=cold_start,
        )
        lists = context.explorer.explore(
            lists, interactions.plays[rows], interactions.user_ids[rows]
        )
        is_listed = lists.tracks != NO_TRACK
        is_own = (lists.sources == SOURCES.index(MODEL))[is_listed]
        names = np.array(SOURCES, dtype=object)[lists.sources[is_listed]]
        names[is_own] = own_names[rows][np.nonzero(is_listed)[0][is_own]]
        context.tally.short_lists += int((is_listed.sum(axis=1) < LIST_LENGTH).sum())
        context.tally.counts.update(names.tolist())
        users, ranks, tracks = list_columns(
            interactions.user_ids[rows], lists.tracks, interactions.track_ids
        )
        by_model = np.where(lists.sources == SOURCES.index(MODEL), lists.tracks, NO_TRACK)
        reasons = explain(model, interactions.plays[rows], by_model)
        yield pa.table(
            {
                "user_id": users,
                "rank": ranks,
                "track_id": tracks,
                "score": lists.scores[is_listed],
                "source": names,
                "model_version": pc.if_else(is_own, version, _NO_VERSION),
                "because": id_lists(reasons[is_listed], interactions.track_ids),
            }
        )


def _shadow(interactions: Interactions, popularity: FittedModel) -> Iterator[pa.Table]:
    """The rows of `popularity_shadow`, a batch of users at a time."""
    for rows in _batches(np.arange(len(interactions.user_ids)), "popularity shadow"):
        lists, _ = popularity.recommend(
            interactions.plays[rows], LIST_LENGTH, interactions.recommendable
        )
        columns = list_columns(interactions.user_ids[rows], lists, interactions.track_ids)
        yield pa.table(dict(zip(("user_id", "rank", "track_id"), columns, strict=True)))


def _popular_tracks(interactions: Interactions) -> pa.Table:
    """The rows of `popular_tracks`."""
    plays = interactions.plays
    listeners = np.bincount(plays.indices, minlength=plays.shape[1])
    tracks = np.flatnonzero(interactions.recommendable)
    tracks = tracks[np.argsort(-listeners[tracks], kind="stable")][:POPULAR_TRACKS]
    return pa.table(
        {
            "rank": np.arange(1, len(tracks) + 1),
            "track_id": interactions.track_ids[tracks],
            "listener_count": listeners[tracks],
        }
    )


def _batches(users: NDArray[np.int64], description: str) -> Iterator[NDArray[np.int64]]:
    """Rows of users, with a progress bar where a terminal watches."""
    starts = range(0, len(users), BATCH_USERS)
    terminal = Console(stderr=True)
    for start in track(starts, description, console=terminal, disable=not sys.stderr.isatty()):
        yield users[start : start + BATCH_USERS]
