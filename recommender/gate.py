"""Whether a challenger takes the champion's place.

In: what both, and popularity, recommend to the same users. Out: a decision with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.metrics import (
    Interval,
    Values,
    bootstrap,
    coverage,
    segment_masks,
    user_metrics,
)
from recommender.models import NO_TRACK, Tracks
from recommender.selection import DECIDING_METRIC
from recommender.split import Holdout


@dataclass(frozen=True)
class Thresholds:
    """What a challenger has to reach.

    Attributes:
        users: Fewest users to judge by.
        coverage: Least share of the recommendable tracks that stand in some list.
        segment_users: Fewest users with which a segment can block.
    """

    users: int = 100
    coverage: float = 0.01
    segment_users: int = 30


@dataclass(frozen=True)
class Contest:
    """Lists for the users of a holdout, each as it would be served (u, `LIST_LENGTH`).

    Attributes:
        challenger: The challenger's.
        champion: The champion's.
        popularity: Those of popularity alone. When the challenger's are the same, it is
            popularity, and need neither beat it nor reach the coverage.
    """

    challenger: Tracks
    champion: Tracks
    popularity: Tracks


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why.

    Attributes:
        promote: Whether the challenger becomes champion.
        reason: One sentence for people.
        difference: Mean difference of ndcg@20, challenger less champion; None without users.
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


DEFAULT_THRESHOLDS = Thresholds()


def decide(
    contest: Contest, holdout: Holdout, seed: int, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> Decision:
    """Judges a challenger by the test slice.

    Args:
        contest: The lists.
        holdout: The test slice.
        seed: Seed of the intervals.
        thresholds: What to reach.
    """
    user_count = len(holdout.users)
    if not user_count:
        return Decision(False, "There is no user to judge by.", None, None, None, 0)
    challenger = user_metrics(contest.challenger, holdout)[DECIDING_METRIC]
    gain = challenger - user_metrics(contest.champion, holdout)[DECIDING_METRIC]
    lead = challenger - user_metrics(contest.popularity, holdout)[DECIDING_METRIC]
    over_champion, over_popularity = bootstrap(np.column_stack([gain, lead]), seed)
    objection = (
        _too_little(contest, holdout, thresholds)
        or _not_better(contest, over_champion, over_popularity)
        or _worse_segment(gain, holdout, thresholds, seed)
    )
    return Decision(
        promote=objection is None,
        reason=objection or f"Better than {_rival(contest)}: ndcg@20 {_written(over_champion)}.",
        difference=over_champion.value,
        lower=over_champion.lower,
        upper=over_champion.upper,
        user_count=user_count,
    )


def list_fault(tracks: Tracks, holdout: Holdout) -> str | None:
    """Says what is wrong with lists, if anything.

    Args:
        tracks: A list for each of the holdout's users (u, n).
        holdout: What the users have heard, and what may be recommended.
    """
    is_listed = tracks != NO_TRACK
    listed = np.where(is_listed, tracks, 0)
    ordered = np.sort(tracks, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_TRACK)).any():
        return "a list names a track twice"
    if not holdout.recommendable[listed][is_listed].all():
        return "a list names a track that may not be recommended"
    heard = holdout.plays[holdout.users]
    owners = np.repeat(np.arange(len(tracks)), np.diff(heard.indptr))
    heard_pairs = owners * heard.shape[1] + heard.indices
    listed_pairs = np.arange(len(tracks))[:, None] * heard.shape[1] + listed
    if (np.isin(listed_pairs, heard_pairs) & is_listed).any():
        return "a list names a track that its user has heard"
    heard_count = np.bincount(owners[holdout.recommendable[heard.indices]], minlength=len(tracks))
    available = int(holdout.recommendable.sum()) - heard_count
    if (is_listed.sum(axis=1) < np.minimum(tracks.shape[1], available)).any():
        return "a list is shorter than it could be"
    return None


def _too_little(contest: Contest, holdout: Holdout, thresholds: Thresholds) -> str | None:
    user_count = len(holdout.users)
    if user_count < thresholds.users:
        return f"Too few users to judge by: {user_count}, not {thresholds.users}."
    fault = list_fault(contest.challenger, holdout)
    if fault is not None:
        return f"The challenger's lists are not valid: {fault}."
    share = coverage(contest.challenger, holdout)
    if share < thresholds.coverage and not _is_popularity(contest):
        return f"Its lists cover {share:.2%} of the tracks, not {thresholds.coverage:.2%}."
    return None


def _not_better(contest: Contest, over_champion: Interval, over_popularity: Interval) -> str | None:
    if over_champion.lower <= 0:
        return f"Not surely better than {_rival(contest)}: ndcg@20 {_written(over_champion)}."
    if over_popularity.lower <= 0 and not _is_popularity(contest):
        return f"Not surely better than popularity: ndcg@20 {_written(over_popularity)}."
    return None


def _worse_segment(gain: Values, holdout: Holdout, thresholds: Thresholds, seed: int) -> str | None:
    for segment, mask in segment_masks(holdout).items():
        if mask.sum() < thresholds.segment_users:
            continue
        (change,) = bootstrap(gain[mask][:, None], seed)
        if change.upper < 0:
            return f"Worse for {segment} users: ndcg@20 {_written(change)}."
    return None


def _is_popularity(contest: Contest) -> bool:
    return np.array_equal(contest.challenger, contest.popularity)


def _rival(contest: Contest) -> str:
    """The champion, by its name where that is popularity, as it is before the first promotion."""
    is_popularity = np.array_equal(contest.champion, contest.popularity)
    return "popularity" if is_popularity else "the champion"


def _written(interval: Interval) -> str:
    return f"{interval.value:+.4f} ({interval.lower:+.4f} to {interval.upper:+.4f})"
