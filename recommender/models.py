"""The models that compete, and how each scores tracks for users.

In: plays by user and track. Out: models that recommend from a user's current plays alone (they
are folded in), so a model keeps nothing of any user and scores those it never saw.

BM25 and ALS are those of implicit. It fills short lists with id -1, with tracks of score 0 and
with tracks already heard, so nothing but unheard tracks of a positive score leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import (
    ItemItemRecommender,
    NearestNeighboursScorer,
    bm25_weight,
    normalize,
)
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from recommender.installed_models import find_kind

Tracks = NDArray[np.int32]
Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]

NO_TRACK = -1
"""Fills a list where it ends before its length."""

NEIGHBOUR_KINDS = ("bm25", "cosine")
"""Kinds of `NeighbourModel`."""

BATCH_USERS = 10_000
"""Users scored at a time: keeps their factors and rankings small."""

SIMILAR_NEIGHBOURS = 200
"""Neighbours looked at for similar tracks, those that may not be listed among them."""


class FittedModel(Protocol):
    """A model that was fitted to plays."""

    @property
    def kind(self) -> str:
        """Which kind: popularity, bm25, cosine, als, or one that another package brings."""

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists the best tracks for each user.

        Args:
            plays: Current plays of some users (u, n_tracks).
            n: Length of the lists.
            recommendable: Tracks that may be listed (n_tracks).
            exclude_heard: Whether tracks that a user has played are left out.

        Returns:
            Columns of tracks, best first, and their scores (u, n). A list that ends early is
            filled with `NO_TRACK` and a score of 0.
        """

    def to_arrays(self) -> Arrays:
        """Everything that `load_model` needs, as plain arrays."""


@dataclass(frozen=True)
class PopularityModel:
    """The same tracks for everybody: those with the most listeners.

    Attributes:
        listeners: Users who played each track (n_tracks), int64.
    """

    listeners: NDArray[np.int64]
    kind: str = "popularity"

    @classmethod
    def fit(cls, plays: csr_array) -> PopularityModel:
        """Counts listeners."""
        return cls(np.bincount(plays.indices, minlength=plays.shape[1]))

    def ranking(self, recommendable: Flags) -> Tracks:
        """Tracks that may be listed, the most popular first, then in the order of columns."""
        order = np.argsort(-self.listeners, kind="stable").astype(np.int32)
        ranking: Tracks = order[recommendable[order]]
        return ranking

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does; scores are listeners, over the most that one has."""
        ranking = self.ranking(recommendable)
        tracks = np.full((plays.shape[0], n), NO_TRACK, np.int32)
        for batch in _batches(plays.shape[0]):
            heard = plays[batch]
            tracks[batch] = take_unheard(ranking, heard if exclude_heard else heard[:, :0], n)
        shares = self.listeners / max(1, int(self.listeners.max(initial=0)))
        scores = np.where(tracks == NO_TRACK, 0, shares[tracks])
        return tracks, scores.astype(np.float32)

    def to_arrays(self) -> Arrays:
        """The listeners of each track."""
        return {"listeners": self.listeners}


@dataclass(frozen=True)
class NeighbourModel:
    """Tracks that resemble those a user has played.

    Attributes:
        kind: bm25 or cosine: how similarity was weighed.
        weighting: How plays become weights, see `weigh`.
        similarity: Each track's nearest tracks (n_tracks, n_tracks), float32.
    """

    kind: str
    weighting: str
    similarity: csr_array

    @classmethod
    def fit(
        cls, plays: csr_array, kind: str, weighting: str, neighbours: int, **bm25: float
    ) -> NeighbourModel:
        """Finds each track's nearest tracks."""
        by_track = weigh(plays, weighting).T
        # without any plays their mean length is none
        with np.errstate(invalid="ignore"):
            weighted = bm25_weight(by_track, **bm25) if kind == "bm25" else normalize(by_track)
        model = ItemItemRecommender(K=neighbours)
        model.fit(weighted.T.tocsr(), show_progress=False)
        similarity = csr_array(model.similarity.astype(np.float32))
        similarity.eliminate_zeros()
        return cls(kind, weighting, similarity)

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

    def to_arrays(self) -> Arrays:
        """The similarities in CSR form."""
        return {
            "weighting": np.array(self.weighting),
            "data": self.similarity.data,
            "indices": self.similarity.indices,
            "indptr": self.similarity.indptr,
        }


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
    def fit(cls, plays: csr_array, seed: int, weighting: str, **settings: Any) -> AlsModel:
        """Factorizes plays; users' factors are thrown away."""
        with _one_blas_thread():
            model = AlternatingLeastSquares(random_state=seed, **settings)
            model.fit(weigh(plays, weighting), show_progress=False)
        return cls(model.item_factors, weighting, model.regularization, model.alpha)

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does; the score is the predicted preference."""
        length = min(n, len(self.factors))
        tracks = np.full((plays.shape[0], n), NO_TRACK, np.int32)
        scores = np.zeros((plays.shape[0], n), np.float32)
        with _one_blas_thread():
            model = AlternatingLeastSquares(
                factors=self.factors.shape[1],
                regularization=self.regularization,
                alpha=self.alpha,
            )
            model.item_factors = self.factors
            for batch in _batches(plays.shape[0]):
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


@dataclass(frozen=True)
class Candidate:
    """A recipe for a model.

    Attributes:
        name: What it is called in evaluations.
        kind: Which kind of model.
        parameters: Its settings.
    """

    name: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def fit(self, plays: csr_array, seed: int) -> FittedModel:
        """Fits the model.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            seed: Seed of what is drawn at random; the same seed gives the same model.

        Raises:
            ValueError: The kind is unknown.
        """
        if self.kind == "popularity":
            return PopularityModel.fit(plays)
        if self.kind == "als":
            return AlsModel.fit(plays, seed, **self.parameters)
        if self.kind in NEIGHBOUR_KINDS:
            return NeighbourModel.fit(plays, self.kind, **self.parameters)
        return find_kind(self.kind).fit(plays, seed, **self.parameters)


def _als(factors: int) -> Candidate:
    settings = {"regularization": 30.0, "alpha": 10.0, "iterations": 15}
    return Candidate(
        f"als-{factors}", "als", {"weighting": "binary", "factors": factors, **settings}
    )


def _bm25(weighting: str, neighbours: int, k1: float, b: float) -> Candidate:
    settings = {"weighting": weighting, "neighbours": neighbours, "K1": k1, "B": b}
    return Candidate(f"bm25-k{neighbours}-{weighting}", "bm25", settings)


POPULARITY = Candidate("popularity", "popularity")
COSINE = Candidate("cosine-k200-log", "cosine", {"weighting": "log", "neighbours": 200})
PANEL: tuple[Candidate, ...] = (
    POPULARITY,
    _bm25("binary", 100, 100, 0.2),
    _bm25("log", 100, 100, 0.2),
    _bm25("binary", 300, 1.2, 0.5),
    _bm25("log", 300, 1.2, 0.5),
    _als(32),
    _als(64),
    _als(128),
    _als(256),
)
"""The candidates of a retraining; of equally good ones the first wins."""


def load_model(kind: str, arrays: Mapping[str, NDArray[Any]]) -> FittedModel:
    """Makes a model of what `to_arrays` gave.

    Args:
        kind: Its kind.
        arrays: Its arrays, such as an open npz file.

    Raises:
        KeyError: An array is missing.
        ValueError: The kind is unknown, or the arrays do not fit each other.
    """
    if kind == "popularity":
        return PopularityModel(arrays["listeners"])
    if kind == "als":
        return AlsModel(
            arrays["factors"],
            str(arrays["weighting"]),
            float(arrays["regularization"]),
            float(arrays["alpha"]),
        )
    if kind in NEIGHBOUR_KINDS:
        track_count = len(arrays["indptr"]) - 1
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        similarity = csr_array(parts, shape=(track_count, track_count))
        similarity.check_format()
        return NeighbourModel(kind, str(arrays["weighting"]), similarity)
    return find_kind(kind).from_arrays(arrays)


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
    similarity = NeighbourModel.fit(plays, "cosine", "log", SIMILAR_NEIGHBOURS).similarity
    rows = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
    kept = recommendable[similarity.indices] & (similarity.indices != rows)
    rows, columns, scores = rows[kept], similarity.indices[kept], similarity.data[kept]
    order = np.lexsort((columns, -scores, rows))
    rows, columns, scores = rows[order], columns[order], scores[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    best = np.full((similarity.shape[0], n), NO_TRACK, np.int32)
    best_scores = np.zeros(best.shape, np.float32)
    is_listed = rank < n
    best[rows[is_listed], rank[is_listed]] = columns[is_listed]
    best_scores[rows[is_listed], rank[is_listed]] = scores[is_listed]
    return best, best_scores


def weigh(plays: csr_array, weighting: str) -> csr_matrix:
    """Makes weights of plays.

    Args:
        plays: Listens by user and track.
        weighting: binary for 1 each, log for the logarithm of 1 + plays.
    """
    data = {"binary": np.ones_like(plays.data), "log": np.log1p(plays.data)}[weighting]
    # implicit takes nothing but a csr_matrix of small integers
    indices, indptr = plays.indices.astype(np.int32), plays.indptr.astype(np.int32)
    return csr_matrix((data.astype(np.float32), indices, indptr), shape=plays.shape)


def take_unheard(ranking: Tracks, heard: csr_array, n: int) -> Tracks:
    """Takes the first tracks of one ranking that each user has not heard.

    Args:
        ranking: Columns of tracks, best first.
        heard: Non-zero where a user has heard a track (u, n_tracks).
        n: How many to take.

    Returns:
        Columns of tracks (u, n), filled with `NO_TRACK`.
    """
    counts = np.diff(heard.indptr)
    depth = min(len(ranking), n + int(counts.max(initial=0)))
    place = np.full(max(heard.shape[1], int(ranking.max(initial=-1)) + 1), -1)
    place[ranking[:depth]] = np.arange(depth)
    places = place[heard.indices]
    is_ranked = places >= 0
    is_heard = np.zeros((heard.shape[0], depth), dtype=bool)
    is_heard[np.repeat(np.arange(heard.shape[0]), counts)[is_ranked], places[is_ranked]] = True
    free = first_free(is_heard, n)
    if not len(ranking):
        return np.full(free.shape, NO_TRACK, np.int32)
    return np.where(free < 0, NO_TRACK, ranking[free]).astype(np.int32)


def first_free(is_taken: Flags, n: int) -> NDArray[np.int64]:
    """Finds the first `n` places of each row that are not taken (u, n), filled with -1."""
    order = np.argsort(is_taken, axis=1, kind="stable")[:, :n]
    places = np.full((len(is_taken), n), -1)
    free = np.where(np.take_along_axis(is_taken, order, axis=1), -1, order)
    places[:, : order.shape[1]] = free
    return places


def _entries(matrix: csr_array, kept: Flags) -> csr_array:
    """Leaves some of a matrix' entries."""
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr].astype(np.int32)
    return csr_array((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)


def only_positive(
    tracks: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]]
) -> tuple[Tracks, Scores]:
    """Leaves tracks with a positive score, which stand first in their list."""
    is_good = (scores > 0) & (tracks >= 0)
    return (
        np.where(is_good, tracks, NO_TRACK).astype(np.int32),
        np.where(is_good, scores, 0).astype(np.float32),
    )


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, BATCH_USERS):
        yield slice(start, start + BATCH_USERS)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Keeps BLAS from using threads below those of implicit, which makes ALS 15 times slower."""
    with threadpool_limits(1, "blas"):
        yield
