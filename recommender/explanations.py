"""Why a track is recommended: the tracks of the user's own that weigh most in its score.

In: a model, plays, and the tracks that users are listed. Out: one or two played tracks for each.

The score of a model of neighbours is a sum over the tracks that a user has played; its largest
terms are the reasons. A blend is explained by its models of neighbours. Popularity has no reasons,
and latent factors are not asked: what a play adds to their score is told by a system of equations
for each user (Hu, Koren and Volinsky 2008), which takes longer than the lists themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.models import NO_TRACK, FittedModel, Tracks, first_of_rows

MAX_REASONS = 2
"""Played tracks that are named for a recommendation, at most."""

_TERMS_AT_A_TIME = 2_000_000
"""Products of a play and a similarity: keeps memory small however much users have played."""

Reasons = NDArray[np.int32]


@runtime_checkable
class ExplainingModel(Protocol):
    """A model that can say why."""

    def explain(self, plays: csr_array, tracks: Tracks) -> Reasons:
        """Names the played tracks that weigh most in each score.

        Args:
            plays: Current plays of some users (u, n_tracks).
            tracks: Tracks that the model lists for them (u, n), filled with `NO_TRACK`.

        Returns:
            Columns of tracks that the user has played, the weightiest first (u, n,
            `MAX_REASONS`), filled with `NO_TRACK`.
        """


def explain(model: FittedModel, plays: csr_array, tracks: Tracks) -> Reasons:
    """Names reasons as `ExplainingModel.explain` does, none where the model cannot."""
    if isinstance(model, ExplainingModel):
        return model.explain(plays, tracks)
    return np.full((*tracks.shape, MAX_REASONS), NO_TRACK, np.int32)


def largest_terms(weights: csr_array, similarity: csr_array, tracks: Tracks) -> Reasons:
    """Finds the largest positive terms of weights times similarities.

    Args:
        weights: Weights of plays (u, n_tracks).
        similarity: What a play of the row's track says of the column's (n_tracks, n_tracks).
        tracks: The columns of the product to explain (u, n), filled with `NO_TRACK`.

    Returns:
        Rows of `similarity`, as `ExplainingModel.explain`.
    """
    # sorted, a similarity is found by halves
    similarity.sort_indices()
    reasons = np.full((*tracks.shape, MAX_REASONS), NO_TRACK, np.int32)
    for users in _bounded(weights, tracks.shape[1]):
        played = weights[users]
        owners = np.repeat(np.arange(played.shape[0]), np.diff(played.indptr))
        listed = tracks[users][owners]
        entries, places = np.nonzero(listed != NO_TRACK)
        if not len(entries):
            # at no places, SciPy would give a sparse array
            continue
        heard = played.indices[entries]
        terms = played.data[entries] * similarity[heard, listed[entries, places]]
        is_reason = terms > 0
        # a row for each place of each list
        rows = (owners[entries] * tracks.shape[1] + places)[is_reason]
        shape = (tracks[users].size, MAX_REASONS)
        found, _ = first_of_rows(rows, heard[is_reason], terms[is_reason], shape)
        reasons[users] = found.reshape(reasons[users].shape)
    return reasons


def _bounded(weights: csr_array, n: int) -> Iterator[slice]:
    """Rows of users, each time as many as have no more than `_TERMS_AT_A_TIME`, or one."""
    start, ends = 0, weights.indptr
    while start < weights.shape[0]:
        end = int(np.searchsorted(ends, ends[start] + _TERMS_AT_A_TIME // n, side="right")) - 1
        end = max(end, start + 1)
        yield slice(start, end)
        start = end
