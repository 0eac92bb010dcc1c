"""Latent factors by alternating least squares (Hu, Koren and Volinsky 2008), by implicit.

In: plays by user and track. Out: factors of tracks, and lists by those of users, which are solved
for anew from their current plays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.models import (
    NO_TRACK,
    Arrays,
    Flags,
    Scores,
    Tracks,
    batches,
    one_blas_thread,
    only_positive,
    weigh,
)


@dataclass(frozen=True)
class AlsModel:
    """Tracks near to a user in a space of latent factors.

    Attributes:
        factors: Factors of the tracks (n_tracks, f), float32.
        weighting: How plays become weights, see `weigh`.
        regularization: Of the least squares by which users are folded in.
        alpha: Weights times alpha are confidences.
    """

    factors: NDArray[np.float32]
    weighting: str
    regularization: float
    alpha: float
    kind: str = "als"

    @classmethod
    def fit(
        cls, plays: csr_array, seed: int, weighting: str, alpha: float, **settings: Any
    ) -> AlsModel:
        """Factorizes plays; users' factors are thrown away.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            seed: Seed of the first factors.
            weighting: How plays become weights, see `weigh`.
            alpha: Of weights whose mean is 1: a source that counts plays in hundreds needs no
                other than one that counts them in ones.
            settings: Of implicit's AlternatingLeastSquares.
        """
        weights = weigh(plays, weighting)
        alpha /= float(weights.data.mean()) if weights.nnz else 1.0
        with one_blas_thread():
            model = AlternatingLeastSquares(random_state=seed, alpha=alpha, **settings)
            model.fit(weights, show_progress=False)
        return cls(model.item_factors, weighting, model.regularization, model.alpha)

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does; the score is the predicted preference."""
        length = min(n, len(self.factors))
        tracks = np.full((plays.shape[0], n), NO_TRACK, np.int32)
        scores = np.zeros((plays.shape[0], n), np.float32)
        with one_blas_thread():
            model = AlternatingLeastSquares(
                factors=self.factors.shape[1],
                regularization=self.regularization,
                alpha=self.alpha,
            )
            model.item_factors = self.factors
            for batch in batches(plays.shape[0]):
                weights = weigh(plays[batch], self.weighting)
                tracks[batch, :length], scores[batch, :length] = model.recommend(
                    np.arange(weights.shape[0]),
                    weights,
                    N=length,
                    recalculate_user=True,
                    filter_already_liked_items=exclude_heard,
                    filter_items=np.flatnonzero(~recommendable),
                )
        return only_positive(tracks, scores)

    def to_arrays(self) -> Arrays:
        """The tracks' factors, and how to fold users in."""
        return {
            "weighting": np.array(self.weighting),
            "factors": self.factors,
            "regularization": np.array(self.regularization),
            "alpha": np.array(self.alpha),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> AlsModel:
        """Makes a model of its arrays.

        Raises:
            KeyError: An array is missing.
        """
        return cls(
            arrays["factors"],
            str(arrays["weighting"]),
            float(arrays["regularization"]),
            float(arrays["alpha"]),
        )
