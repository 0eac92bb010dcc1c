"""Models in today's catalogue.

In: a model and the tracks that it was fitted to. Out: a model that speaks of today's tracks. One
that the model does not know cannot be recommended by it; one that is gone is skipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.models import FittedModel


def in_catalogue(
    model: FittedModel, model_track_ids: NDArray[np.object_], track_ids: NDArray[np.object_]
) -> FittedModel:
    """Translates a model's columns.

    Args:
        model: A model.
        model_track_ids: The track of each of its columns, sorted.
        track_ids: The track of each column of today's plays, sorted.

    Returns:
        A model for plays with today's columns. Its `to_arrays` are still the model's own.
    """
    raise NotImplementedError
