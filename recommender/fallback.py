"""Lists for everybody: the model's where it knows enough, popular tracks elsewhere.

In: a model, users' plays and favourite genres. Out: full lists, and where each track is from.
Users with 0 to 2 listens get what is popular, blended with what listeners with the same favourite
genres play; lists that end early are filled with what is popular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.models import FittedModel, Flags, Scores, Tracks

COLD_LISTENS = 2
"""Most listens with which a user is cold: too little for a model to go by."""

MODEL, GENRE_POPULARITY, POPULARITY = "model", "genre_popularity", "popularity"
SOURCES = (MODEL, GENRE_POPULARITY, POPULARITY)
"""Where a track of a list is from; lists hold positions in this tuple."""


@dataclass(frozen=True)
class Fallback:
    """What is recommended where a model cannot say.

    Attributes:
        popularity: Share of all users' (user, track) pairs that are of this track (n_tracks).
        genre_popularity: The same among users with each favourite genre (n_genres, n_tracks).
        recommendable: Tracks that may be listed (n_tracks).
    """

    popularity: Scores
    genre_popularity: csr_array
    recommendable: Flags


@dataclass(frozen=True)
class Lists:
    """What users are recommended.

    Attributes:
        tracks: Columns of tracks, best first (u, n), filled with `NO_TRACK` where the
            catalogue ends.
        scores: Their scores (u, n); comparable within one source of one list only.
        sources: Positions in `SOURCES` (u, n), int8.
    """

    tracks: Tracks
    scores: Scores
    sources: NDArray[np.int8]


def learn_fallback(plays: csr_array, user_genres: csr_array, recommendable: Flags) -> Fallback:
    """Counts what is popular, overall and among those who like a genre.

    Args:
        plays: Listens of all users (n_users, n_tracks).
        user_genres: 1 where a genre is a favourite (n_users, n_genres).
        recommendable: Tracks that may be listed (n_tracks).
    """
    raise NotImplementedError


def recommend_lists(
    model: FittedModel, fallback: Fallback, plays: csr_array, user_genres: csr_array, n: int
) -> Lists:
    """Lists tracks for users as they are served: unheard, distinct, as many as there are.

    Args:
        model: Scores users that have more than `COLD_LISTENS` listens.
        fallback: Serves the others, and fills lists that end early.
        plays: Current plays of some users (u, n_tracks).
        user_genres: Their favourite genres (u, n_genres).
        n: Length of the lists.
    """
    raise NotImplementedError
