"""Which candidate is the best on a user's own data.

In: a split and a panel of candidates. Out: the winner on the validation slice, and how all did.
"""

from __future__ import annotations

from dataclasses import dataclass

from recommender.fallback import Lists
from recommender.metrics import Evaluation
from recommender.models import PANEL, Candidate, FittedModel
from recommender.split import Holdout, Split

SELECTION_METRIC = ("ndcg", 20)


@dataclass(frozen=True)
class Selection:
    """The outcome of a selection.

    Attributes:
        winner: The best candidate.
        evaluations: How each did on the validation slice, role panel.
    """

    winner: Candidate
    evaluations: tuple[Evaluation, ...]


def serve_holdout(model: FittedModel, holdout: Holdout) -> Lists:
    """Lists tracks for the users of a holdout as they would be served.

    Args:
        model: Any model, fitted to the holdout's plays or to earlier ones, in its catalogue.
        holdout: The plays to go by.
    """
    raise NotImplementedError


def select(split: Split, seed: int, panel: tuple[Candidate, ...] = PANEL) -> Selection:
    """Fits every candidate and picks the one with the highest ndcg@20 on validation.

    Args:
        split: Listens, held out.
        seed: Seed of models and intervals.
        panel: The candidates; of equally good ones the first wins.
    """
    raise NotImplementedError
