"""What models may see, and what they are judged by.

In: listens with the time at which a crawl first saw them. Out: two holdouts, one behind the
other: the validation slice to choose a model by, the test slice to judge the chosen one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.interactions import Interactions, Listens
from recommender.models import Flags

HELD_OUT_SHARE = 0.2
"""Share of listens that a holdout takes, at most: the latest."""

ENOUGH_USERS = 200
"""With fewer users to judge by, the last listens of further users are held out too."""

JUDGED_USERS = 20_000
"""Users that a holdout is judged by, at most; drawn at random above that."""


@dataclass(frozen=True)
class Holdout:
    """Listens to fit to, and later ones to be foretold.

    Attributes:
        plays: Plays to fit to (n_users, n_tracks).
        user_genres: Favourite genres (n_users, n_genres).
        recommendable: Tracks that may be recommended (n_tracks).
        users: Rows of the users that are judged by, ascending.
        targets: Tracks that each of them first played later (len(users), n_tracks), 0 or 1.
        held_from: When the first held-out listen was observed, UTC: a model with an earlier
            data cutoff has seen none of them. None when nothing is held out.
    """

    plays: csr_array
    user_genres: csr_array
    recommendable: Flags
    users: NDArray[np.int32]
    targets: csr_array
    held_from: datetime | None


@dataclass(frozen=True)
class Split:
    """Two holdouts; the validation's plays and targets are both among the test's plays.

    Attributes:
        validation: To choose by.
        test: To judge by.
    """

    validation: Holdout
    test: Holdout


def split_listens(interactions: Interactions, listens: Listens, seed: int) -> Split:
    """Splits listens by time.

    Args:
        interactions: Whose listens.
        listens: The listens.
        seed: Seed for drawing users, where there are more than `JUDGED_USERS`.
    """
    raise NotImplementedError
