"""Lists for everybody: the model's where it knows enough, popular tracks elsewhere.

In: a model, users' plays and favourite genres. Out: full lists, and where each track is from.
Users without a listen get what is popular, those with few listens too where they have favourite
genres: blended with what listeners with the same favourites play. Lists that end early are filled
with what is popular.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from recommender.artist_caps import CANDIDATES, ArtistCaps
from recommender.models import (
    NO_TRACK,
    FittedModel,
    Flags,
    PopularityModel,
    Scores,
    Tracks,
    first_free,
)

COLD_LISTENS = 2
"""Most listens with which a user counts as cold when lists are judged."""

MODEL, GENRE_POPULARITY, POPULARITY = "model", "genre_popularity", "popularity"
EXPLORATION = "exploration"
SOURCES = (MODEL, GENRE_POPULARITY, POPULARITY, EXPLORATION)
"""Where a track of a list is from; lists hold positions in this tuple."""

_BATCH_TASTES = 64


@dataclass(frozen=True)
class ColdStart:
    """How users are served who have favourite genres and few listens.

    Without favourite genres a single listen says more than what is popular does.

    Attributes:
        listens: Most listens with which the genres are gone by, not the model.
        genre_weight: How much of such a list is up to the genres; the rest is up to everybody.
    """

    listens: int = 2
    genre_weight: float = 0.7


DEFAULT_COLD_START = ColdStart()


@dataclass(frozen=True)
class Fallback:
    """What is recommended where a model cannot say.

    Attributes:
        popularity: Recommends what is popular.
        genre_listeners: Users with each favourite genre who played each track (n_genres,
            n_tracks).
        recommendable: Tracks that may be listed (n_tracks).
        caps: How many tracks of an artist a list holds.
    """

    popularity: PopularityModel
    genre_listeners: csr_array
    recommendable: Flags
    caps: ArtistCaps


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


def learn_fallback(
    plays: csr_array, user_genres: csr_array, recommendable: Flags, caps: ArtistCaps
) -> Fallback:
    """Counts what is popular, overall and among those who like a genre.

    Args:
        plays: Listens of all users (n_users, n_tracks).
        user_genres: 1 where a genre is a favourite (n_users, n_genres).
        recommendable: Tracks that may be listed (n_tracks).
        caps: How many tracks of an artist a list holds.
    """
    ones = np.ones(plays.nnz, np.float32)
    heard = csr_array((ones, plays.indices, plays.indptr), shape=plays.shape)
    genre_listeners = csr_array(user_genres.T @ heard)
    return Fallback(PopularityModel.fit(plays), genre_listeners, recommendable, caps)


def recommend_lists(  # noqa: PLR0913 (who serves whom, and how long the lists are)
    model: FittedModel,
    fallback: Fallback,
    plays: csr_array,
    user_genres: csr_array,
    n: int,
    *,
    cold_start: ColdStart = DEFAULT_COLD_START,
) -> Lists:
    """Lists tracks for users as they are served: unheard, distinct, as many as there are.

    The caps on artists hold as far as the catalogue allows: a list that would end early is filled
    with what they left out.

    Args:
        model: Scores users of whom it has enough to go by.
        fallback: Serves the others, and fills lists that end early.
        plays: Current plays of some users (u, n_tracks).
        user_genres: Their favourite genres (u, n_genres).
        n: Length of the lists.
        cold_start: How users with favourite genres and few listens are served.
    """
    depth = max(n, CANDIDATES)
    found = _candidates(model, fallback, plays, user_genres, depth, cold_start=cold_start)
    places = fallback.caps.choose(found.tracks, n)
    short = np.flatnonzero(places[:, -1] < 0)
    if len(short):
        longer = _filled(fallback, plays[short], found, short)
        kept = fallback.caps.choose(longer.tracks, n)
        # in their order, behind what keeps the caps
        is_kept = np.zeros(longer.tracks.shape, dtype=bool)
        rows, columns = np.nonzero(kept >= 0)
        is_kept[rows, kept[rows, columns]] = True
        left_out = first_free(is_kept | (longer.tracks == NO_TRACK), n)
        behind = np.arange(n) - (kept >= 0).sum(axis=1)[:, None]
        filling = np.take_along_axis(left_out, np.maximum(behind, 0), axis=1)
        kept = np.where(behind < 0, kept, filling)
        ends = _taken(longer, kept)
    lists = _taken(found, places)
    if len(short):
        lists.tracks[short], lists.scores[short] = ends.tracks, ends.scores
        lists.sources[short] = ends.sources
    return lists


def _candidates(  # noqa: PLR0913 (as above)
    model: FittedModel,
    fallback: Fallback,
    plays: csr_array,
    user_genres: csr_array,
    n: int,
    *,
    cold_start: ColdStart,
) -> Lists:
    """What the model or the genres name for each user, and nothing that fills it."""
    shape = (plays.shape[0], n)
    tracks, scores = np.full(shape, NO_TRACK, np.int32), np.zeros(shape, np.float32)
    sources = np.full(shape, SOURCES.index(POPULARITY), np.int8)
    listens = np.asarray(plays.sum(axis=1))
    has_genres = np.diff(user_genres.indptr) > 0
    is_cold = listens <= np.where(has_genres, cold_start.listens, 0)
    warm, liking = np.flatnonzero(~is_cold), np.flatnonzero(is_cold & has_genres)
    if len(warm):
        tracks[warm], scores[warm] = model.recommend(plays[warm], n, fallback.recommendable)
        sources[warm] = SOURCES.index(POPULARITY if model.kind == "popularity" else MODEL)
    if len(liking):
        tracks[liking], scores[liking] = _by_genre(
            fallback, plays[liking], user_genres[liking], n, cold_start
        )
        sources[liking] = SOURCES.index(GENRE_POPULARITY)
    return Lists(tracks, scores, sources)


def _filled(fallback: Fallback, plays: csr_array, found: Lists, rows: NDArray[np.int64]) -> Lists:
    """Some users' candidates, with as many that are popular behind them."""
    named = found.tracks[rows]
    tracks, scores = fallback.popularity.recommend(
        _with_listed(plays, named), named.shape[1], fallback.recommendable
    )
    sources = np.full(tracks.shape, SOURCES.index(POPULARITY), np.int8)
    return Lists(
        np.concatenate([named, tracks], axis=1),
        np.concatenate([found.scores[rows], scores], axis=1),
        np.concatenate([found.sources[rows], sources], axis=1),
    )


def _taken(found: Lists, places: NDArray[np.int64]) -> Lists:
    """The candidates at some places, -1 for none."""

    def taken(values: NDArray[Any], nothing: int) -> NDArray[Any]:
        kept = np.take_along_axis(values, np.maximum(places, 0), axis=1)
        return np.where(places < 0, np.array(nothing, values.dtype), kept)

    return Lists(
        taken(found.tracks, NO_TRACK),
        taken(found.scores, 0),
        taken(found.sources, SOURCES.index(POPULARITY)),
    )


def _by_genre(
    fallback: Fallback, plays: csr_array, user_genres: csr_array, n: int, cold_start: ColdStart
) -> tuple[Tracks, Scores]:
    """Lists tracks by a mixture of two chances: that everybody, and that their like, plays them."""
    everybody = fallback.popularity.listeners / max(1, fallback.popularity.listeners.sum())
    totals = np.maximum(np.asarray(fallback.genre_listeners.sum(axis=1)), 1)
    by_genre = diags_array(1 / totals) @ fallback.genre_listeners
    tastes, taste_of_user = _tastes(user_genres)
    shares = diags_array(1 / np.diff(tastes.indptr)) @ tastes
    # users with the same favourites share a ranking, deep enough for what they have heard
    depth = min(n + cold_start.listens, len(everybody))
    ranking = np.empty((tastes.shape[0], depth), np.int64)
    chances = np.empty((tastes.shape[0], depth))
    for start in range(0, tastes.shape[0], _BATCH_TASTES):
        batch = slice(start, start + _BATCH_TASTES)
        weight = cold_start.genre_weight
        mixed = weight * (shares[batch] @ by_genre).toarray() + (1 - weight) * everybody
        mixed[:, ~fallback.recommendable] = 0
        best = np.sort(np.argpartition(-mixed, depth - 1, axis=1)[:, :depth], axis=1)
        found = np.take_along_axis(mixed, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        ranking[batch] = np.take_along_axis(best, order, axis=1)
        chances[batch] = np.take_along_axis(found, order, axis=1)
    ranking, chances = ranking[taste_of_user], chances[taste_of_user]
    users = np.repeat(np.arange(plays.shape[0]), np.diff(plays.indptr))
    rows, columns = np.nonzero(ranking[users] == plays.indices[:, None])
    is_taken = chances == 0
    is_taken[users[rows], columns] = True
    places = first_free(is_taken, n)
    tracks = np.where(places < 0, NO_TRACK, np.take_along_axis(ranking, places, axis=1))
    scores = np.where(places < 0, 0, np.take_along_axis(chances, places, axis=1))
    return tracks.astype(np.int32), scores.astype(np.float32)


def _tastes(user_genres: csr_array) -> tuple[csr_array, NDArray[np.int64]]:
    """The sets of favourite genres that there are, and which of them each user has."""
    user_genres.sort_indices()
    numbers: dict[bytes, int] = {}
    taste_of_user = np.array(
        [
            numbers.setdefault(user_genres.indices[begin:end].tobytes(), len(numbers))
            for begin, end in pairwise(user_genres.indptr)
        ]
    )
    _, first_users = np.unique(taste_of_user, return_index=True)
    return csr_array(user_genres[first_users]), taste_of_user


def _with_listed(plays: csr_array, tracks: Tracks) -> csr_array:
    """Plays, with the tracks of a list counted as heard."""
    rows, columns = np.nonzero(tracks != NO_TRACK)
    ones = np.ones(len(rows), np.float32)
    return csr_array(plays + csr_array((ones, (rows, tracks[rows, columns])), shape=plays.shape))
