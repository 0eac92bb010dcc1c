"""Two models that make a list together.

In: two fitted models. Out: lists by the sum of their scores, each divided by the highest that it
gives the user, so that a weight means the same for any two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.explanations import Reasons, explain
from recommender.models import NO_TRACK, Arrays, FittedModel, Flags, Scores, Tracks, batches

DEPTH = 100
"""Tracks that each model names at least; deeper ones do not move what is listed."""


@dataclass(frozen=True)
class BlendModel:
    """The sum of two models.

    Attributes:
        first: A model.
        second: Another one.
        weight: What the second one's scores count, those of the first being 1.
    """

    first: FittedModel
    second: FittedModel
    weight: float
    kind: str = "blend"

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does; the score is between 0 and 1 plus the weight."""
        tracks = np.full((plays.shape[0], n), NO_TRACK, np.int32)
        scores = np.zeros((plays.shape[0], n), np.float32)
        for batch in batches(plays.shape[0]):
            some = csr_array(plays[batch])
            total = csr_array(some.shape, dtype=np.float32)
            for model, weight in ((self.first, 1.0), (self.second, self.weight)):
                named, given = model.recommend(
                    some, max(n, DEPTH), recommendable, exclude_heard=exclude_heard
                )
                total = total + _scaled(named, given, weight, some.shape)
            tracks[batch], scores[batch] = _best(csr_array(total), n)
        return tracks, scores

    def explain(self, plays: csr_array, tracks: Tracks) -> Reasons:
        """Explains lists by the first model, and by the second what the first has no say in."""
        reasons = explain(self.first, plays, tracks)
        others = explain(self.second, plays, tracks)
        return np.where(reasons[:, :, :1] == NO_TRACK, others, reasons)

    def to_arrays(self) -> Arrays:
        """The arrays of both, the weight, and their kinds."""
        arrays: Arrays = {"weight": np.array(self.weight)}
        for place, model in (("first", self.first), ("second", self.second)):
            arrays[f"{place}_kind"] = np.array(model.kind)
            arrays |= {f"{place}_{name}": values for name, values in model.to_arrays().items()}
        return arrays


def _scaled(tracks: Tracks, scores: Scores, weight: float, shape: tuple[int, int]) -> csr_array:
    """Scores by user and track, the highest of each user being the weight."""
    rows, places = np.nonzero(tracks != NO_TRACK)
    # where there is none, there is nothing to divide
    highest = scores.max(axis=1, initial=0)[rows]
    shares = (weight * scores[rows, places] / highest).astype(np.float32)
    return csr_array((shares, (rows, tracks[rows, places])), shape=shape)


def _best(scores: csr_array, n: int) -> tuple[Tracks, Scores]:
    """The highest of each row, of equal ones the first."""
    scores.sort_indices()
    lengths = np.diff(scores.indptr)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    places: NDArray[np.int64] = np.arange(scores.nnz) - scores.indptr[rows]
    width = max(n, int(lengths.max(initial=0)))
    tracks = np.full((len(lengths), width), NO_TRACK, np.int32)
    values = np.zeros((len(lengths), width), np.float32)
    tracks[rows, places], values[rows, places] = scores.indices, scores.data
    order = np.argsort(-values, axis=1, kind="stable")[:, :n]
    return np.take_along_axis(tracks, order, axis=1), np.take_along_axis(values, order, axis=1)
