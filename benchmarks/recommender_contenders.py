"""Recommenders to compare ours with, as others published them.

In: plays. Out: models that recommend as ours do.

- EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019), with the
  regularization of 250 that RecBole ships. Tracks with a single listener are left out: the
  matrix to invert has a row and a column for each track.
- ALS of implicit's own tutorial on Last.fm: plays weighted by BM25 (K1 = 100, B = 0.8), 64
  factors, regularization 0.05, alpha 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import bm25_weight
from numpy.typing import NDArray
from scipy.linalg import inv
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from recommender.models import Arrays, FittedModel, Flags, Scores, Tracks, only_positive, weigh

EASE_REGULARIZATION = 250.0
TUTORIAL_K1, TUTORIAL_B = 100.0, 0.8


@dataclass(frozen=True)
class Ease:
    """A linear model of each track by all others."""

    kept: NDArray[np.int64]
    weights: NDArray[np.float64]
    kind: str = "ease"

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does."""
        known = csr_array(plays[:, self.kept])
        scores = weigh(known, "binary") @ self.weights
        scores[:, ~recommendable[self.kept]] = -np.inf
        if exclude_heard:
            scores[known.nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        return only_positive(self.kept[best], np.take_along_axis(scores, best, axis=1))

    def to_arrays(self) -> Arrays:
        """The weights."""
        return {"kept": self.kept, "weights": self.weights}


@dataclass(frozen=True)
class TutorialAls:
    """implicit's tutorial."""

    model: AlternatingLeastSquares
    lengths: NDArray[np.float64]
    kind: str = "tutorial"

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does."""
        users = np.repeat(np.arange(plays.shape[0]), np.diff(plays.indptr))
        # as bm25_weight does, with the lengths of the plays that were fitted to
        rarity = np.log(plays.shape[1]) - np.log1p(np.diff(plays.indptr))
        norm = 1 - TUTORIAL_B + TUTORIAL_B * self.lengths / self.lengths.mean()
        saturated = plays.data * (TUTORIAL_K1 + 1)
        saturated /= TUTORIAL_K1 * norm[plays.indices] + plays.data
        weights = (saturated * rarity[users]).astype(np.float32)
        with threadpool_limits(1, "blas"):
            return only_positive(
                *self.model.recommend(
                    np.arange(plays.shape[0]),
                    csr_matrix((weights, plays.indices, plays.indptr), shape=plays.shape),
                    N=n,
                    recalculate_user=True,
                    filter_already_liked_items=exclude_heard,
                    filter_items=np.flatnonzero(~recommendable),
                )
            )

    def to_arrays(self) -> Arrays:
        """The tracks' factors."""
        return {"factors": self.model.item_factors}


def fit_ease(plays: csr_array) -> FittedModel:
    """Solves EASE in closed form."""
    kept = np.flatnonzero(np.bincount(plays.indices, minlength=plays.shape[1]) > 1)
    heard = weigh(csr_array(plays[:, kept]), "binary").astype(np.float64)
    gram = (heard.T @ heard).toarray()
    gram[np.diag_indices_from(gram)] += EASE_REGULARIZATION
    inverse = inv(gram, overwrite_a=True)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return Ease(kept, weights)


def fit_tutorial(plays: csr_array, seed: int) -> FittedModel:
    """Fits the ALS of the tutorial."""
    weights = bm25_weight(csr_matrix(plays).T, K1=TUTORIAL_K1, B=TUTORIAL_B).T.tocsr()
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=64, regularization=0.05, alpha=2.0, random_state=seed
        )
        model.fit(weights.astype(np.float32), show_progress=False)
    return TutorialAls(model, np.asarray(plays.sum(axis=0), np.float64))
