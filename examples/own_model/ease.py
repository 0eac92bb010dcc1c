"""EASE, as an example of a model that a package of your own brings.

In: plays by user and track. Out: a linear model from tracks to tracks, in closed form (Steck 2019,
"Embarrassingly Shallow Autoencoders for Sparse Data"). It inverts a matrix of tracks by tracks: up
to some 20,000 tracks that is a matter of memory, 4 bytes for each pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.models import Arrays, Flags, Scores, Tracks, only_positive


@dataclass(frozen=True)
class EaseModel:
    """Tracks that a user's other tracks predict.

    Attributes:
        weights: What a play of the row's track says about the column's (n_tracks, n_tracks), 0 on
            the diagonal.
    """

    weights: NDArray[np.float32]
    kind: str = "ease"

    @classmethod
    def fit(cls, plays: csr_array, seed: int, *, regularization: float = 200.0) -> Self:  # noqa: ARG003 (nothing is drawn)
        """Solves ridge regression of each track on all others.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            seed: Not used: the solution is exact.
            regularization: Added to the diagonal of the Gram matrix; larger is smoother.
        """
        heard = (plays > 0).astype(np.float32)
        gram = (heard.T @ heard).toarray()
        gram[np.diag_indices_from(gram)] += regularization
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return cls(weights.astype(np.float32))

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists the best tracks for each user; the score is the predicted play."""
        heard = (plays > 0).astype(np.float32)
        scores = np.asarray(heard @ self.weights)
        scores[:, ~recommendable] = 0
        if exclude_heard:
            scores[heard.nonzero()] = 0
        length = min(n, scores.shape[1])
        tracks = np.argsort(-scores, axis=1, kind="stable")[:, :length]
        best = np.take_along_axis(scores, tracks, axis=1)
        padding = ((0, 0), (0, n - length))
        return only_positive(np.pad(tracks, padding), np.pad(best, padding))

    def to_arrays(self) -> Arrays:
        """The weights."""
        return {"weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Makes a model of its arrays.

        Raises:
            KeyError: The weights are missing.
        """
        return cls(arrays["weights"])
