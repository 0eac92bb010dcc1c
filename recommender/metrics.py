"""How good lists are, user by user, and how sure that is.

In: lists and the tracks that users played later. Out: metrics of each user, and their means with
bootstrap intervals over users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.models import Tracks
from recommender.split import Holdout

CUTOFFS = (10, 20)
LIST_LENGTH = max(CUTOFFS)
USER_METRICS = ("ndcg", "recall", "map", "hit_rate", "novelty")
SEGMENTS = ("all", "cold", "light", "heavy")
LIGHT_LISTENS = 9
"""Most listens with which a user is light; more is heavy, `COLD_LISTENS` or fewer is cold."""

RESAMPLES = 1000
CONFIDENCE = 0.95

Values = NDArray[np.float64]
Metric = tuple[str, int]
"""A metric and the length of the lists that it looks at."""


@dataclass(frozen=True)
class Interval:
    """A mean over users.

    Attributes:
        value: The mean.
        lower: Lower bound of its interval.
        upper: Upper bound.
        user_count: Users that it is of.
    """

    value: float
    lower: float
    upper: float
    user_count: int


@dataclass(frozen=True)
class Evaluation:
    """A row of `recommendations.evaluations`.

    Attributes:
        role: panel, challenger, champion or popularity.
        candidate: Name of the candidate.
        split: validation or test.
        segment: One of `SEGMENTS`.
        metric: One of `USER_METRICS`, or coverage.
        cutoff: Length of the lists.
        value: The metric.
        lower: Lower bound of its interval; None for coverage, which is no mean over users.
        upper: Upper bound; None for coverage.
        user_count: Users of the segment.
    """

    role: str
    candidate: str
    split: str
    segment: str
    metric: str
    cutoff: int
    value: float
    lower: float | None
    upper: float | None
    user_count: int


def user_metrics(tracks: Tracks, holdout: Holdout) -> dict[Metric, Values]:
    """Computes the metrics of each judged user.

    Args:
        tracks: A list for each of the holdout's users (u, `LIST_LENGTH`).
        holdout: What the users played later.

    Returns:
        One array (u) for each of `USER_METRICS` at each of `CUTOFFS`.
    """
    raise NotImplementedError


def segment_masks(holdout: Holdout) -> dict[str, NDArray[np.bool_]]:
    """Which judged users are in each of `SEGMENTS`, by their listens in the plays to fit to."""
    raise NotImplementedError


def bootstrap(values: Values, seed: int) -> list[Interval]:
    """Means over users, with percentile bootstrap intervals.

    Args:
        values: One row per user, one column per mean (u, m), u > 0.
        seed: Seed of the resamples; the same for the same seed and number of users.
    """
    raise NotImplementedError


def evaluate(
    tracks: Tracks, holdout: Holdout, *, role: str, candidate: str, split: str, seed: int
) -> list[Evaluation]:
    """Computes every metric of every segment that has users.

    Args:
        tracks: A list for each of the holdout's users (u, `LIST_LENGTH`).
        holdout: What the users played later.
        role: Goes into the rows.
        candidate: Goes into the rows.
        split: Goes into the rows.
        seed: Seed of the intervals.
    """
    raise NotImplementedError
