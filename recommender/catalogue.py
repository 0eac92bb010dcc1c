"""Models in today's catalogue.

In: a model and the tracks that it was fitted to. Out: a model that speaks of today's tracks. One
that the model does not know cannot be recommended by it; one that is gone is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.models import NO_TRACK, Arrays, FittedModel, Flags, Scores, Tracks


@dataclass(frozen=True)
class TranslatedModel:
    """A model whose columns are not those of today.

    Attributes:
        model: The model.
        columns: Today's column of each of the model's tracks, `NO_TRACK` for one that is gone.
    """

    model: FittedModel
    columns: NDArray[np.int64]

    @property
    def kind(self) -> str:
        """The model's kind."""
        return self.model.kind

    def recommend(
        self, plays: csr_array, n: int, recommendable: Flags, *, exclude_heard: bool = True
    ) -> tuple[Tracks, Scores]:
        """Lists tracks as every model does."""
        known = np.flatnonzero(self.columns != NO_TRACK)
        ones = np.ones(len(known), np.float32)
        shape = (plays.shape[1], len(self.columns))
        translation = csr_array((ones, (self.columns[known], known)), shape=shape)
        allowed = np.zeros(len(self.columns), dtype=bool)
        allowed[known] = recommendable[self.columns[known]]
        translated = csr_array(plays @ translation)
        tracks, scores = self.model.recommend(translated, n, allowed, exclude_heard=exclude_heard)
        listed = np.where(tracks == NO_TRACK, NO_TRACK, self.columns[tracks])
        return listed.astype(np.int32), scores

    def to_arrays(self) -> Arrays:
        """The model's own arrays."""
        return self.model.to_arrays()


def in_catalogue(
    model: FittedModel, model_track_ids: NDArray[np.object_], track_ids: NDArray[np.object_]
) -> FittedModel:
    """Translates a model's columns.

    Args:
        model: A model.
        model_track_ids: The track of each of its columns.
        track_ids: The track of each column of today's plays, sorted.

    Returns:
        A model for plays with today's columns. Its `to_arrays` are still the model's own.
    """
    if np.array_equal(model_track_ids, track_ids):
        return model
    places = np.searchsorted(track_ids, model_track_ids)
    is_there = places < len(track_ids)
    is_there[is_there] = track_ids[places[is_there]] == model_track_ids[is_there]
    return TranslatedModel(model, np.where(is_there, places, NO_TRACK))
