"""The candidates that compete in a training, by name, and the models that they are recipes for.

In: settings. Out: fitted models, and models that come back from their arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.als import AlsModel
from recommender.blend import BlendModel
from recommender.fallback import DEFAULT_COLD_START, ColdStart
from recommender.installed_models import find_kind
from recommender.models import FittedModel, PopularityModel
from recommender.neighbours import NEIGHBOUR_KINDS, NeighbourModel


@dataclass(frozen=True)
class Candidate:
    """A recipe for a model.

    Attributes:
        name: What it is called in evaluations.
        kind: Which kind of model.
        parameters: Its settings.
        cold_start: How users are served whom it knows too little of.
    """

    name: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    cold_start: ColdStart = DEFAULT_COLD_START

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
        if self.kind == "blend":
            first, second = (Candidate(**self.parameters[part]) for part in ("first", "second"))
            models = first.fit(plays, seed), second.fit(plays, seed)
            return BlendModel(*models, self.parameters["weight"])
        if self.kind in NEIGHBOUR_KINDS:
            return NeighbourModel.fit(plays, self.kind, **self.parameters)
        return find_kind(self.kind).fit(plays, seed, **self.parameters)


def _bm25(weighting: str, neighbours: int, k1: float, b: float) -> Candidate:
    settings = {"weighting": weighting, "neighbours": neighbours, "K1": k1, "B": b}
    return Candidate(f"bm25-k{neighbours}-{weighting}", "bm25", settings)


def _ridge(penalty: float) -> Candidate:
    settings = {"weighting": "log", "neighbours": 60, "penalty": penalty}
    return Candidate(f"ridge-{penalty:g}", "ridge", settings)


def _als(factors: int, regularization: float, alpha: float) -> Candidate:
    settings = {"weighting": "log", "factors": factors, "iterations": 15}
    weights = {"regularization": regularization, "alpha": alpha}
    return Candidate(f"als-{factors}", "als", settings | weights)


def blend(first: Candidate, second: Candidate, weight: float) -> Candidate:
    """A candidate of two.

    Args:
        first: A candidate.
        second: Another one.
        weight: What the second one's scores count, those of the first being 1.
    """
    parts = {"first": _recipe(first), "second": _recipe(second)}
    name = f"{first.name}+{weight:g}*{second.name}"
    return Candidate(name, "blend", {**parts, "weight": weight})


def _recipe(candidate: Candidate) -> dict[str, Any]:
    """What makes the candidate again."""
    parameters = dict(candidate.parameters)
    return {"name": candidate.name, "kind": candidate.kind, "parameters": parameters}


POPULARITY = Candidate("popularity", "popularity")
COSINE = Candidate("cosine-k200-log", "cosine", {"weighting": "log", "neighbours": 200})
_WALK = {"weighting": "binary", "neighbours": 200, "alpha": 0.6, "beta": 0.2}
PANEL: tuple[Candidate, ...] = (
    POPULARITY,
    _bm25("binary", 100, 100, 0.2),
    _bm25("log", 100, 100, 0.2),
    _bm25("log", 300, 1.2, 0.5),
    Candidate("rp3beta", "rp3beta", _WALK),
    _ridge(30),
    _ridge(100),
    _ridge(300),
    # the first for a source whose users play hundreds of artists, the other for one of tracks
    _als(64, regularization=30, alpha=10),
    _als(256, regularization=10, alpha=40),
)
"""The candidates of a training; of equally good ones the first wins."""


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
        return AlsModel.from_arrays(arrays)
    if kind == "blend":
        first, second = (
            load_model(
                str(arrays[f"{part}_kind"]),
                {name.removeprefix(f"{part}_"): arrays[name] for name in arrays},
            )
            for part in ("first", "second")
        )
        return BlendModel(first, second, float(arrays["weight"]))
    if kind in NEIGHBOUR_KINDS:
        track_count = len(arrays["indptr"]) - 1
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        similarity = csr_array(parts, shape=(track_count, track_count))
        similarity.check_format()
        return NeighbourModel(kind, str(arrays["weighting"]), similarity)
    return find_kind(kind).from_arrays(arrays)
