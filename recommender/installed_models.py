"""Kinds of models that other packages bring, and their candidates.

In: the name of a kind. Out: the class that an installed package declares for it, as an entry point
in the group `listenhouse.models`. The registry stores names of kinds, never code: only what is
installed can be loaded. What a package declares in the group `listenhouse.candidates` competes in
every training.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from recommender.models import FittedModel
    from recommender.panel import Candidate

ENTRY_POINTS = "listenhouse.models"
CANDIDATES = "listenhouse.candidates"


class ModelClass(Protocol):
    """A kind of model: how it is fitted, and how it is loaded again."""

    def fit(self, plays: csr_array, seed: int, **parameters: Any) -> FittedModel:
        """Fits a model.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            seed: Seed of what is drawn at random.
            **parameters: The candidate's parameters: numbers and text.
        """

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> FittedModel:
        """Makes a model of what its `to_arrays` gave."""


def find_kind(kind: str) -> ModelClass:
    """Finds the class of a kind.

    Raises:
        ValueError: No installed package declares it.
    """
    for entry_point in entry_points(group=ENTRY_POINTS, name=kind):
        found: ModelClass = entry_point.load()
        return found
    raise ValueError(
        f"There is no kind of model called {kind!r}: no installed package declares it as an entry "
        f"point in the group {ENTRY_POINTS!r}"
    )


def installed_candidates() -> tuple[Candidate, ...]:
    """The candidates that installed packages declare, by name."""
    declared = sorted(entry_points(group=CANDIDATES), key=lambda entry_point: entry_point.name)
    return tuple(entry_point.load() for entry_point in declared)
