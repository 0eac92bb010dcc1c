"""Whether a challenger takes the champion's place.

In: what both, and popularity, recommend to the same users. Out: a decision with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from recommender.models import Tracks
from recommender.split import Holdout


@dataclass(frozen=True)
class Thresholds:
    """What a challenger has to reach.

    Attributes:
        users: Fewest users to judge by.
        coverage: Least share of the recommendable tracks that are in some list.
        segment_users: Fewest users of a segment that can block.
    """

    users: int = 100
    coverage: float = 0.01
    segment_users: int = 30


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why.

    Attributes:
        promote: Whether the challenger becomes champion.
        reason: One sentence for people.
        difference: Mean difference of ndcg@20, challenger less champion; None when it was not
            measured.
        lower: Lower bound of its interval.
        upper: Upper bound.
        user_count: Users judged by.
    """

    promote: bool
    reason: str
    difference: float | None
    lower: float | None
    upper: float | None
    user_count: int


def decide(
    holdout: Holdout,
    *,
    challenger: Tracks,
    champion: Tracks,
    popularity: Tracks,
    seed: int,
    thresholds: Thresholds | None = None,
) -> Decision:
    """Judges a challenger by the test slice.

    Args:
        holdout: The test slice.
        challenger: Its list for each of the holdout's users, as served.
        champion: The champion's.
        popularity: Those of popularity alone. When these are the challenger's own, it is
            popularity, and need neither beat it nor reach the coverage.
        seed: Seed of the intervals.
        thresholds: What to reach; the defaults when None.
    """
    raise NotImplementedError
