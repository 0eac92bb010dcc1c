"""Which candidate is the best on a source's own data.

In: a split and a panel of candidates. Out: the winner on the validation slice, and how all did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from recommender.blend import BlendModel
from recommender.fallback import (
    DEFAULT_COLD_START,
    ColdStart,
    Lists,
    learn_fallback,
    recommend_lists,
)
from recommender.metrics import LIST_LENGTH, Measurement, Values, bootstrap, evaluate, user_metrics
from recommender.models import FittedModel
from recommender.panel import PANEL, POPULARITY, Candidate, blend
from recommender.split import ENOUGH_COLD, Holdout
from warehouse.run_log import get_logger

_logger = get_logger(__name__)

DECIDING_METRIC = ("ndcg", 20)
"""What candidates are chosen by, and challengers judged by."""

COLD_STARTS = tuple(
    ColdStart(listens, weight) for listens in (0, 1, 2, 3, 5) for weight in (0.5, 0.7, 0.9)
)
"""What is tried for users with favourite genres and few listens."""

BLEND_WEIGHTS = (0.3, 0.6, 1.0)
"""What the second best kind counts in a blend, beside the best."""


@dataclass(frozen=True)
class Selection:
    """The outcome of a selection.

    Attributes:
        winner: The best candidate, or blend of two, with the cold start that suits it.
        measurements: How each did on the validation slice, by its name.
    """

    winner: Candidate
    measurements: Mapping[str, tuple[Measurement, ...]]


@dataclass(frozen=True)
class _Contender:
    """A candidate as it was fitted and measured."""

    candidate: Candidate
    model: FittedModel
    quality: float


def serve_holdout(
    model: FittedModel, holdout: Holdout, cold_start: ColdStart = DEFAULT_COLD_START
) -> Lists:
    """Lists tracks for the users of a holdout as they would be served.

    Args:
        model: Any model for the columns of the holdout, fitted to its plays or to earlier ones.
        holdout: The plays to go by.
        cold_start: How users are served whom the model knows too little of.
    """
    fallback = learn_fallback(
        holdout.plays, holdout.user_genres, holdout.recommendable, holdout.caps
    )
    return recommend_lists(
        model,
        fallback,
        holdout.plays[holdout.users],
        holdout.user_genres[holdout.users],
        LIST_LENGTH,
        cold_start=cold_start,
    )


def select(validation: Holdout, seed: int, panel: tuple[Candidate, ...] = PANEL) -> Selection:
    """Fits every candidate, and blends of the best two kinds, and picks the highest ndcg@20.

    Popularity is blended with nothing: it knows nothing of a user.

    Args:
        validation: The validation slice.
        seed: Seed of models and intervals.
        panel: The candidates; of equally good ones the first wins, and any before a blend.
    """
    measurements: dict[str, tuple[Measurement, ...]] = {}

    def measure(candidate: Candidate, model: FittedModel) -> _Contender:
        found = evaluate(serve_holdout(model, validation).tracks, validation, seed)
        measurements[candidate.name] = found
        contender = _Contender(candidate, model, _quality(found))
        _logger.info("candidate measured", candidate=candidate.name, ndcg_20=contender.quality)
        return contender

    # only the best of each kind stay in memory
    leaders: dict[str, _Contender] = {}
    for candidate in panel:
        found = measure(candidate, candidate.fit(validation.plays, seed))
        leader = leaders.get(candidate.kind)
        if leader is None or found.quality > leader.quality:
            leaders[candidate.kind] = found
    contenders = list(leaders.values())
    ranked = sorted(contenders, key=lambda one: one.quality, reverse=True)
    able = [one for one in ranked if one.candidate.kind != POPULARITY.kind]
    if len(able) > 1:
        first, second = able[:2]
        for weight in BLEND_WEIGHTS:
            model = BlendModel(first.model, second.model, weight)
            contenders.append(measure(blend(first.candidate, second.candidate, weight), model))
    winner = max(contenders, key=lambda one: one.quality)
    cold_start = choose_cold_start(winner.model, validation, seed)
    return Selection(replace(winner.candidate, cold_start=cold_start), measurements)


def choose_cold_start(model: FittedModel, validation: Holdout, seed: int) -> ColdStart:
    """Finds from how many listens on a model serves better than favourite genres do.

    Args:
        model: A model that was fitted to the plays of the slice.
        validation: The validation slice.
        seed: Seed of the interval.

    Returns:
        The best of `COLD_STARTS`, where it is surely better than the default.
    """
    listens = np.asarray(validation.plays.sum(axis=1))[validation.users]
    has_genres = np.diff(validation.user_genres.indptr)[validation.users] > 0
    is_asked = has_genres & (listens <= max(one.listens for one in COLD_STARTS))
    if is_asked.sum() < ENOUGH_COLD:
        return DEFAULT_COLD_START
    asked = replace(
        validation,
        users=validation.users[is_asked],
        targets=csr_array(validation.targets[is_asked]),
    )

    def quality(cold_start: ColdStart) -> Values:
        tracks = serve_holdout(model, asked, cold_start).tracks
        return user_metrics(tracks, asked)[DECIDING_METRIC]

    usual = quality(DEFAULT_COLD_START)
    gains = {one: quality(one) - usual for one in COLD_STARTS}
    best = max(gains, key=lambda one: gains[one].mean())
    (gain,) = bootstrap(gains[best][:, None], seed)
    return best if gain.lower > 0 else DEFAULT_COLD_START


def _quality(measurements: tuple[Measurement, ...]) -> float:
    for found in measurements:
        if found.segment == "all" and (found.metric, found.cutoff) == DECIDING_METRIC:
            return found.value
    # nobody to judge by: the first candidate wins
    return 0.0
