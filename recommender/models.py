"""What every model does, and popularity, the simplest.

In: plays by user and track. Out: models that recommend from a user's current plays alone (they
are folded in), so a model keeps nothing of any user and scores those it never saw.

implicit fills short lists with id -1, with tracks of score 0 and with tracks already heard, so
what its models list passes `only_positive`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

Tracks = NDArray[np.int32]
Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]

NO_TRACK = -1
"""Fills a list where it ends before its length."""

BATCH_USERS = 10_000
"""Users scored at a time: keeps their factors and rankings small."""


class FittedModel(Protocol):
    """A model that was fitted to plays."""

    @property
    def kind(self) -> str:
        """Which kind: of the panel's, or one that another package brings."""

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
        for batch in batches(plays.shape[0]):
            heard = plays[batch]
            tracks[batch] = take_unheard(ranking, heard if exclude_heard else heard[:, :0], n)
        shares = self.listeners / max(1, int(self.listeners.max(initial=0)))
        scores = np.where(tracks == NO_TRACK, 0, shares[tracks])
        return tracks, scores.astype(np.float32)

    def to_arrays(self) -> Arrays:
        """The listeners of each track."""
        return {"listeners": self.listeners}


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


def first_of_rows(
    rows: NDArray[np.integer[Any]],
    columns: NDArray[np.integer[Any]],
    scores: NDArray[np.floating[Any]],
    shape: tuple[int, int],
) -> tuple[Tracks, Scores]:
    """Makes lists of scored tracks in any order; of equal scores the first column is first.

    Args:
        rows: The list that each belongs to (m).
        columns: The track (m).
        scores: Its score (m).
        shape: How many lists there are, and how long they are.

    Returns:
        Columns of tracks, best first, and their scores (shape), filled with `NO_TRACK` and 0.
    """
    order = np.lexsort((columns, -scores, rows))
    rows, columns, scores = rows[order], columns[order], scores[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    tracks, best = np.full(shape, NO_TRACK, np.int32), np.zeros(shape, np.float32)
    is_first = rank < shape[1]
    tracks[rows[is_first], rank[is_first]] = columns[is_first]
    best[rows[is_first], rank[is_first]] = scores[is_first]
    return tracks, best


def only_positive(
    tracks: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]]
) -> tuple[Tracks, Scores]:
    """Leaves tracks with a positive score, which stand first in their list."""
    is_good = (scores > 0) & (tracks >= 0)
    return (
        np.where(is_good, tracks, NO_TRACK).astype(np.int32),
        np.where(is_good, scores, 0).astype(np.float32),
    )


def batches(count: int) -> Iterator[slice]:
    """Rows of users, `BATCH_USERS` at a time."""
    for start in range(0, count, BATCH_USERS):
        yield slice(start, start + BATCH_USERS)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keeps BLAS from using threads below those of implicit, which makes ALS 15 times slower."""
    with threadpool_limits(1, "blas"):
        yield
