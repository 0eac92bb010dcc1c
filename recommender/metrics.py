"""How good lists are, user by user, and how sure that is.

In: lists and the tracks that users played later. Out: metrics of each user, and their means with
bootstrap intervals over users.

With L the list's first k tracks, T the user's targets and hit(i) whether the i-th track is one:

- recall = hits / |T|
- ndcg = sum of hit(i) / log2(i + 1) over i = 1 … k, divided by the same sum for a list that
  begins with min(k, |T|) hits (Järvelin and Kekäläinen 2002, binary relevance)
- map = sum of hit(i) * (hits among the first i) / i, divided by min(k, |T|)
- hit_rate = whether there is a hit
- novelty = mean of log2(users / listeners of the track) over L, with the listeners of the plays
  that models may see and 1 for none (Zhou et al. 2010, self-information)
- artists = different artists over L; a track without a known one counts as one
- diversity = mean over pairs of L of 1 - cosine of who listened to the two (Ziegler et al. 2005),
  among at most `SAMPLED_LISTENERS` users
- coverage = share of the recommendable tracks that stand in some list; no mean over users
- gini = how unevenly the places of all lists fall on the recommendable tracks: 0 when all have as
  many, towards 1 when one has them all; no mean over users
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from recommender.fallback import COLD_LISTENS
from recommender.models import NO_TRACK, Flags, Tracks, batches
from recommender.split import Holdout

CUTOFFS = (10, 20)
LIST_LENGTH = max(CUTOFFS)
SEGMENTS = ("all", "cold", "light", "heavy")
LIGHT_LISTENS = 9
"""Most listens with which a user is light; more is heavy, `COLD_LISTENS` or fewer is cold."""

SAMPLED_LISTENERS = 1000
"""Users by whom it is judged how different two tracks are, at most."""

RESAMPLES = 1000
CONFIDENCE = 0.95

_DRAWS_AT_A_TIME = 4_000_000

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
    """

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Measurement:
    """A metric of a segment, as in `recommendations.evaluations`.

    Attributes:
        segment: One of `SEGMENTS`.
        metric: One of the above.
        cutoff: Length of the lists.
        value: The metric.
        lower: Lower bound of its interval; None for what is no mean over users.
        upper: Upper bound; None likewise.
        user_count: Users of the segment.
    """

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
        One array (u) for each metric that is a mean over users, at each of `CUTOFFS`.
    """
    hits = _hits(tracks, holdout)
    target_counts = np.diff(holdout.targets.indptr)
    rank = np.arange(1, LIST_LENGTH + 1)
    gains = 1 / np.log2(rank + 1)
    precision = hits * np.cumsum(hits, axis=1) / rank
    listeners = np.bincount(holdout.plays.indices, minlength=holdout.plays.shape[1])
    surprise = np.log2(holdout.plays.shape[0] / np.maximum(listeners, 1))
    is_listed = tracks != NO_TRACK
    surprises = np.where(is_listed, surprise[tracks], 0)
    metrics = {}
    for k in CUTOFFS:
        best = np.minimum(k, target_counts)
        found = hits[:, :k].sum(axis=1)
        metrics["ndcg", k] = hits[:, :k] @ gains[:k] / np.cumsum(gains)[best - 1]
        metrics["recall", k] = found / target_counts
        metrics["map", k] = precision[:, :k].sum(axis=1) / best
        metrics["hit_rate", k] = (found > 0).astype(np.float64)
        length = np.maximum(is_listed[:, :k].sum(axis=1), 1)
        metrics["novelty", k] = surprises[:, :k].sum(axis=1) / length
        metrics["artists", k] = holdout.caps.count_artists(tracks[:, :k]).astype(np.float64)
    return metrics | _diversity(tracks, holdout)


def coverage(tracks: Tracks, holdout: Holdout) -> float:
    """The share of the recommendable tracks that stand in some list."""
    listed = np.unique(tracks[tracks != NO_TRACK])
    return len(listed) / max(1, int(holdout.recommendable.sum()))


def gini(tracks: Tracks, holdout: Holdout) -> float:
    """How unevenly the places of all lists fall on the recommendable tracks."""
    listed = tracks[tracks != NO_TRACK]
    counts = np.bincount(listed, minlength=len(holdout.recommendable))[holdout.recommendable]
    total, count = counts.sum(), len(counts)
    if not total:
        return 0.0
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(weights @ np.sort(counts) / (count * total))


def segment_masks(holdout: Holdout) -> dict[str, Flags]:
    """Which judged users are in each of `SEGMENTS`, by their listens in the plays to fit to."""
    listens = np.asarray(holdout.plays.sum(axis=1))[holdout.users]
    is_cold, is_heavy = listens <= COLD_LISTENS, listens > LIGHT_LISTENS
    masks = (np.ones(len(listens), dtype=bool), is_cold, ~is_cold & ~is_heavy, is_heavy)
    return dict(zip(SEGMENTS, masks, strict=True))


def bootstrap(values: Values, seed: int) -> list[Interval]:
    """Means over users, with percentile bootstrap intervals (Efron 1979).

    Args:
        values: One row per user, one column per mean (u, m), u > 0.
        seed: Seed of the resamples; the same for the same seed and number of users.
    """
    generator = np.random.default_rng(seed)
    user_count = len(values)
    resampled = np.empty((RESAMPLES, values.shape[1]))
    step = max(1, _DRAWS_AT_A_TIME // user_count)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = generator.integers(user_count, size=(rows, user_count))
        drawn += np.arange(rows)[:, None] * user_count
        times = np.bincount(drawn.ravel(), minlength=rows * user_count)
        resampled[start : start + rows] = times.reshape(rows, user_count) @ values / user_count
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(resampled, [tail, 1 - tail], axis=0)
    means = values.mean(axis=0)
    return [Interval(*map(float, bounds)) for bounds in zip(means, lower, upper, strict=True)]


def evaluate(tracks: Tracks, holdout: Holdout, seed: int) -> tuple[Measurement, ...]:
    """Computes every metric of every segment that has users.

    Args:
        tracks: A list for each of the holdout's users (u, `LIST_LENGTH`).
        holdout: What the users played later.
        seed: Seed of the intervals.
    """
    metrics = user_metrics(tracks, holdout)
    values = np.column_stack(list(metrics.values()))
    measurements = []
    for segment, mask in segment_masks(holdout).items():
        user_count = int(mask.sum())
        if not user_count:
            continue
        for (metric, k), mean in zip(metrics, bootstrap(values[mask], seed), strict=True):
            bounds = (mean.value, mean.lower, mean.upper)
            measurements.append(Measurement(segment, metric, k, *bounds, user_count))
        for k in CUTOFFS:
            for metric, measure in (("coverage", coverage), ("gini", gini)):
                value = measure(tracks[mask, :k], holdout)
                measurements.append(Measurement(segment, metric, k, value, None, None, user_count))
    return tuple(measurements)


def _diversity(tracks: Tracks, holdout: Holdout) -> dict[Metric, Values]:
    """How different the listeners of the tracks of each list are."""
    user_count = holdout.plays.shape[0]
    step = -(-user_count // SAMPLED_LISTENERS)
    heard = csr_array(holdout.plays[::step])
    heard.data = np.ones_like(heard.data)
    listeners = np.bincount(heard.indices, minlength=heard.shape[1])
    # of length 1 each, or 0 where nobody listened
    unit = csr_array((heard @ diags_array(np.maximum(listeners, 1) ** -0.5)).T)
    metrics = {}
    for k in CUTOFFS:
        is_listed = tracks[:, :k] != NO_TRACK
        lengths = is_listed.sum(axis=1)
        likeness = np.zeros(len(tracks))
        for batch in batches(len(tracks)):
            rows, places = np.nonzero(is_listed[batch])
            named = (np.ones(len(rows), np.float32), (rows, tracks[batch][rows, places]))
            lists = csr_array(named, shape=(len(tracks[batch]), unit.shape[0]))
            # the sum over all pairs of a list, those of a track with itself included
            sums = lists @ unit
            own = lists @ (listeners > 0).astype(np.float32)
            likeness[batch] = sums.multiply(sums).sum(axis=1) - own
        pairs = np.maximum(lengths * (lengths - 1), 1)
        metrics["diversity", k] = np.where(lengths > 1, 1 - likeness / pairs, 0)
    return metrics


def _hits(tracks: Tracks, holdout: Holdout) -> NDArray[np.float64]:
    """1 where a list names a target (u, n)."""
    track_count = holdout.targets.shape[1]
    rows = np.arange(len(tracks))[:, None]
    listed = np.where(tracks == NO_TRACK, -1, rows * track_count + tracks)
    owners = np.repeat(np.arange(len(tracks)), np.diff(holdout.targets.indptr))
    wanted = owners * track_count + holdout.targets.indices
    return np.isin(listed, wanted).astype(np.float64)
