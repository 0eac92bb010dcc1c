"""Models in today's catalogue.

In: a model and the tracks that it was fitted to. Out: a model that speaks of today's tracks. One
that the model does not know cannot be recommended by it; one that is gone is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.explanations import Reasons, explain
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
        allowed = np.zeros(len(self.columns), dtype=bool)
        allowed[known] = recommendable[self.columns[known]]
        tracks, scores = self.model.recommend(
            self._own(plays), n, allowed, exclude_heard=exclude_heard
        )
        return self._of_today(tracks), scores

    def explain(self, plays: csr_array, tracks: Tracks) -> Reasons:
        """Explains lists as every model does that can."""
        known = np.flatnonzero(self.columns != NO_TRACK)
        # one more, which what fills a list and a track of today that the model lacks stand for
        own = np.full(plays.shape[1] + 1, NO_TRACK, np.int32)
        own[self.columns[known]] = known
        return self._of_today(explain(self.model, self._own(plays), own[tracks]))

    def _own(self, plays: csr_array) -> csr_array:
        """Plays by the model's tracks."""
        known = np.flatnonzero(self.columns != NO_TRACK)
        ones = np.ones(len(known), np.float32)
        shape = (plays.shape[1], len(self.columns))
        return csr_array(plays @ csr_array((ones, (self.columns[known], known)), shape=shape))

    def _of_today(self, tracks: Tracks) -> Tracks:
        """Today's columns of the model's tracks."""
        return np.where(tracks == NO_TRACK, NO_TRACK, self.columns[tracks]).astype(np.int32)

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
