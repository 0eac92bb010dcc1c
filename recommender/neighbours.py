"""Models of what resembles the tracks that a user has played.

In: plays by user and track. Out: a sparse matrix of similarities, and lists by its product with
the plays of users. The nearest tracks are found by implicit.

- bm25 and cosine weigh the plays and take the nearest tracks.
- rp3beta is a walk from track to user to track, damped for users and tracks with many plays
  (Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for interactive
  applications", TiiS 2017).
- ridge foretells each track from its nearest ones by least squares (Steck, "Embarrassingly
  Shallow Autoencoders for Sparse Data", WWW 2019, on a few tracks rather than on all).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from implicit.nearest_neighbours import (
    ItemItemRecommender,
    NearestNeighboursScorer,
    bm25_weight,
    normalize,
)
from scipy.sparse import csc_array, csr_array, csr_matrix, diags_array

from recommender.explanations import Reasons, largest_terms
from recommender.models import (
    Arrays,
    Flags,
    Scores,
    Tracks,
    first_of_rows,
    one_blas_thread,
    only_positive,
    weigh,
)

SIMILAR_NEIGHBOURS = 200
"""Neighbours looked at for similar tracks, those that may not be listed among them."""

MIN_LISTENERS = 2
"""Listeners below which ridge says nothing of a track: it has seen one taste only."""


@dataclass(frozen=True)
class NeighbourModel:
    """Tracks that resemble those a user has played.

    Attributes:
        kind: How similarity was weighed, one of `NEIGHBOUR_KINDS`.
        weighting: How plays become weights, see `weigh`.
        similarity: What a play of the row's track says of the column's (n_tracks, n_tracks),
            float32.
    """

    kind: str
    weighting: str
    similarity: csr_array

    @classmethod
    def fit(cls, plays: csr_array, kind: str, weighting: str, **settings: Any) -> NeighbourModel:
        """Finds each track's nearest tracks.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            kind: How similarity is weighed, one of `NEIGHBOUR_KINDS`.
            weighting: How plays become weights, see `weigh`.
            settings: Those of the kind.
        """
        return cls(kind, weighting, _SIMILARITIES[kind](weigh(plays, weighting), **settings))

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does; the score is the sum of weighted similarities."""
        model = ItemItemRecommender()
        kept = recommendable[self.similarity.indices]
        model.similarity = csr_matrix(_entries(self.similarity, kept))
        model.scorer = NearestNeighboursScorer(model.similarity)
        tracks, scores = model.recommend(
            np.arange(plays.shape[0]),
            weigh(plays, self.weighting),
            N=n,
            filter_already_liked_items=exclude_heard,
        )
        return only_positive(tracks, scores)

    def explain(self, plays: csr_array, tracks: Tracks) -> Reasons:
        """Explains lists by the largest of the terms that add up to a score."""
        return largest_terms(csr_array(weigh(plays, self.weighting)), self.similarity, tracks)

    def to_arrays(self) -> Arrays:
        """The similarities in CSR form."""
        return {
            "weighting": np.array(self.weighting),
            "data": self.similarity.data,
            "indices": self.similarity.indices,
            "indptr": self.similarity.indptr,
        }


def _nearest(weights: csr_matrix, neighbours: int) -> csr_array:
    """The tracks with the highest product of weights, by track."""
    model = ItemItemRecommender(K=neighbours)
    model.fit(weights.astype(np.float64), show_progress=False)
    similarity = csr_array(model.similarity.astype(np.float32))
    similarity.eliminate_zeros()
    return similarity


def _bm25(weights: csr_matrix, neighbours: int, **settings: float) -> csr_array:
    # without any plays their mean length is none
    with np.errstate(invalid="ignore"):
        return _nearest(bm25_weight(weights.T, **settings).T.tocsr(), neighbours)


def _cosine(weights: csr_matrix, neighbours: int) -> csr_array:
    return _nearest(normalize(weights.T).T.tocsr(), neighbours)


def _rp3beta(weights: csr_matrix, neighbours: int, alpha: float, beta: float) -> csr_array:
    by_user = np.maximum(np.diff(weights.indptr), 1) ** (-alpha / 2)
    listeners = np.maximum(np.bincount(weights.indices, minlength=weights.shape[1]), 1)
    damped = diags_array(by_user) @ weights @ diags_array(listeners ** (-beta))
    # one more than asked for: a track is among its own neighbours
    found = _without_own(_nearest(csr_matrix(damped), neighbours + 1))
    return csr_array((diags_array(listeners ** (beta - alpha)) @ found).astype(np.float32))


def _ridge(weights: csr_matrix, neighbours: int, penalty: float) -> csr_array:
    near = _without_own(_cosine(weights, neighbours + 1))
    columns = csc_array(weights.astype(np.float64))
    # of weights whose mean square is 1, so that a penalty means the same however they are made
    penalty *= float(np.square(weights.data).mean()) if weights.nnz else 1.0
    coefficients = np.zeros(near.nnz, np.float32)
    listeners = np.diff(columns.indptr)
    with one_blas_thread():
        for track in np.flatnonzero((listeners >= MIN_LISTENERS) & (np.diff(near.indptr) > 0)):
            row = slice(near.indptr[track], near.indptr[track + 1])
            part = columns[:, np.append(near.indices[row], track)]
            products = (part.T @ part).toarray()
            squares, wanted = products[:-1, :-1], products[:-1, -1]
            squares[np.diag_indices(len(wanted))] += penalty
            coefficients[row] = np.linalg.solve(squares, wanted)
    # of a column what foretells its track, as scores are plays times similarities
    similarity = csr_array(csr_array((coefficients, near.indices, near.indptr), shape=near.shape).T)
    similarity.eliminate_zeros()
    return _small_integers(similarity)


_SIMILARITIES: dict[str, Callable[..., csr_array]] = {
    "bm25": _bm25,
    "cosine": _cosine,
    "rp3beta": _rp3beta,
    "ridge": _ridge,
}

NEIGHBOUR_KINDS = tuple(_SIMILARITIES)


def _without_own(similarity: csr_array) -> csr_array:
    """Leaves a track's similarity to itself out."""
    rows = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
    return _entries(similarity, similarity.indices != rows)


def _small_integers(matrix: csr_array) -> csr_array:
    """The same matrix as implicit takes it."""
    parts = (matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32))
    return csr_array(parts, shape=matrix.shape)


def similar_tracks(plays: csr_array, n: int, recommendable: Flags) -> tuple[Tracks, Scores]:
    """Lists the tracks that are played by the same users.

    Args:
        plays: Listens by user and track (n_users, n_tracks).
        n: Length of the lists, at most `SIMILAR_NEIGHBOURS`.
        recommendable: Tracks that may be listed (n_tracks).

    Returns:
        Columns of tracks, most similar first, and cosines of the logarithms of their plays
        (n_tracks, n), filled with `NO_TRACK` and 0.
    """
    similarity = _cosine(weigh(plays, "log"), SIMILAR_NEIGHBOURS)
    rows = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
    kept = recommendable[similarity.indices] & (similarity.indices != rows)
    shape = (similarity.shape[0], n)
    return first_of_rows(rows[kept], similarity.indices[kept], similarity.data[kept], shape)


def _entries(matrix: csr_array, kept: Flags) -> csr_array:
    """Leaves some of a matrix' entries."""
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr].astype(np.int32)
    return csr_array((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)
