"""The models that compete, and how each scores tracks for users.

In: plays by user and track. Out: models that recommend from a user's current plays alone (they
are folded in), so a model keeps nothing of any user and scores those it never saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Tracks = NDArray[np.int32]
Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]

NO_TRACK = -1
"""Fills a list where it ends before its length."""


class FittedModel(Protocol):
    """A model that was fitted to plays."""

    @property
    def kind(self) -> str:
        """Which kind: popularity, bm25, cosine or als."""

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
class Candidate:
    """A recipe for a model.

    Attributes:
        name: What it is called in evaluations.
        kind: Which kind of model.
        parameters: Its settings.
    """

    name: str
    kind: str
    parameters: Mapping[str, Any]

    def fit(self, plays: csr_array, seed: int) -> FittedModel:
        """Fits the model.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            seed: Seed of what is drawn at random; the same seed gives the same model.
        """
        raise NotImplementedError


POPULARITY = Candidate("popularity", "popularity", {})
PANEL: tuple[Candidate, ...] = (POPULARITY,)


def load_model(kind: str, arrays: Mapping[str, NDArray[Any]]) -> FittedModel:
    """Makes a model of what `to_arrays` gave.

    Args:
        kind: Its kind.
        arrays: Its arrays, such as an open npz file.

    Raises:
        KeyError: The kind is unknown, or an array is missing.
        ValueError: The arrays do not fit each other.
    """
    raise NotImplementedError


def similar_tracks(plays: csr_array, n: int, recommendable: Flags) -> tuple[Tracks, Scores]:
    """Lists the tracks that are played by the same users.

    Args:
        plays: Listens by user and track (n_users, n_tracks).
        n: Length of the lists.
        recommendable: Tracks that may be listed (n_tracks).

    Returns:
        Columns of tracks, most similar first, and cosines of the logarithms of their plays
        (n_tracks, n), filled with `NO_TRACK` and 0.
    """
    raise NotImplementedError
