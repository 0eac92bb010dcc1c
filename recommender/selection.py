"""Which candidate is the best on a source's own data.

In: a split and a panel of candidates. Out: the winner on the validation slice, and how all did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recommender.fallback import Lists, learn_fallback, recommend_lists
from recommender.metrics import LIST_LENGTH, Measurement, evaluate
from recommender.models import PANEL, Candidate, FittedModel
from recommender.split import Holdout
from warehouse.run_log import get_logger

_logger = get_logger(__name__)

DECIDING_METRIC = ("ndcg", 20)
"""What candidates are chosen by, and challengers judged by."""


@dataclass(frozen=True)
class Selection:
    """The outcome of a selection.

    Attributes:
        winner: The best candidate.
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
    """Fits every candidate and picks the one with the highest ndcg@20.

    Args:
        validation: The validation slice.
        seed: Seed of models and intervals.
        panel: The candidates; of equally good ones the first wins.
    """
    measurements = {}
    for candidate in panel:
        lists = serve_holdout(candidate.fit(validation.plays, seed), validation)
        found = evaluate(lists.tracks, validation, seed)
        measurements[candidate.name] = found
        _logger.info("candidate measured", candidate=candidate.name, ndcg_20=_quality(found))
    winner = max(panel, key=lambda candidate: _quality(measurements[candidate.name]))
    return Selection(winner, measurements)


def _quality(measurements: tuple[Measurement, ...]) -> float:
    for found in measurements:
        if found.segment == "all" and (found.metric, found.cutoff) == DECIDING_METRIC:
            return found.value
    # nobody to judge by: the first candidate wins
    return 0.0
