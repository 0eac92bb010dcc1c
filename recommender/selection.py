"""Which candidate is the best on a source's own data.

In: a split and a panel of candidates. Out: the winner on the validation slice, and how all did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recommender.blend import BlendModel
from recommender.fallback import Lists, learn_fallback, recommend_lists
from recommender.metrics import LIST_LENGTH, Measurement, evaluate
from recommender.models import FittedModel
from recommender.panel import PANEL, POPULARITY, Candidate, blend
from recommender.split import Holdout
from warehouse.run_log import get_logger

_logger = get_logger(__name__)

DECIDING_METRIC = ("ndcg", 20)
"""What candidates are chosen by, and challengers judged by."""

BLEND_WEIGHTS = (0.3, 0.6, 1.0)
"""What the second best kind counts in a blend, beside the best."""


@dataclass(frozen=True)
class Selection:
    """The outcome of a selection.

    Attributes:
        winner: The best candidate, or blend of two.
        measurements: How each did on the validation slice, by its name.
    """

    winner: Candidate
    measurements: Mapping[str, tuple[Measurement, ...]]


def serve_holdout(model: FittedModel, holdout: Holdout) -> Lists:
    """Lists tracks for the users of a holdout as they would be served.

    Args:
        model: Any model for the columns of the holdout, fitted to its plays or to earlier ones.
        holdout: The plays to go by.
    """
    fallback = learn_fallback(holdout.plays, holdout.user_genres, holdout.recommendable)
    return recommend_lists(
        model,
        fallback,
        holdout.plays[holdout.users],
        holdout.user_genres[holdout.users],
        LIST_LENGTH,
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

    def measure(candidate: Candidate, model: FittedModel) -> float:
        found = evaluate(serve_holdout(model, validation).tracks, validation, seed)
        measurements[candidate.name] = found
        quality = _quality(found)
        _logger.info("candidate measured", candidate=candidate.name, ndcg_20=quality)
        return quality

    qualities: dict[Candidate, float] = {}
    # the best of each kind, fitted
    leaders: dict[str, tuple[Candidate, FittedModel]] = {}
    for candidate in panel:
        model = candidate.fit(validation.plays, seed)
        qualities[candidate] = measure(candidate, model)
        leader = leaders.get(candidate.kind)
        if leader is None or qualities[candidate] > qualities[leader[0]]:
            leaders[candidate.kind] = candidate, model
    leaders.pop(POPULARITY.kind, None)
    ranked = sorted(leaders.values(), key=lambda leader: qualities[leader[0]], reverse=True)
    if len(ranked) > 1:
        (first, first_model), (second, second_model) = ranked[:2]
        for weight in BLEND_WEIGHTS:
            blended = blend(first, second, weight)
            model = BlendModel(first_model, second_model, weight)
            qualities[blended] = measure(blended, model)
    return Selection(max(qualities, key=lambda candidate: qualities[candidate]), measurements)


def _quality(measurements: tuple[Measurement, ...]) -> float:
    for found in measurements:
        if found.segment == "all" and (found.metric, found.cutoff) == DECIDING_METRIC:
            return found.value
    # nobody to judge by: the first candidate wins
    return 0.0
