from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommender.fallback import (
    COLD_LISTENS,
    DEFAULT_COLD_START,
    GENRE_POPULARITY,
    MODEL,
    POPULARITY,
    SOURCES,
    ColdStart,
    Fallback,
    Lists,
    learn_fallback,
    recommend_lists,
)
from recommender.models import NO_TRACK, FittedModel
from recommender.panel import PANEL
from recommender.panel import POPULARITY as POPULARITY_CANDIDATE
from recommender.split import caps_of
from tests.recommender.listeners import make_listens
from warehouse.settings import ListRules

INTERACTIONS, _ = make_listens()
PLAYS, GENRES = INTERACTIONS.plays, INTERACTIONS.user_genres
CAPS = caps_of(INTERACTIONS, ListRules())
LISTENS = np.asarray(PLAYS.sum(axis=1))


def lists_of(model: FittedModel, n: int = 20) -> Lists:
    fallback = learn_fallback(PLAYS, GENRES, INTERACTIONS.recommendable, CAPS)
    return recommend_lists(model, fallback, PLAYS, GENRES, n)


def named(lists: Lists) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
    return np.array(SOURCES)[lists.sources]


@pytest.fixture(scope="module")
def bm25() -> FittedModel:
    return PANEL[2].fit(PLAYS, 1)


def test_everybody_has_a_full_list_of_distinct_unheard_recommendable_tracks(
    bm25: FittedModel,
) -> None:
    lists = lists_of(bm25)
    assert (lists.tracks != NO_TRACK).all()
    assert INTERACTIONS.recommendable[lists.tracks].all()
    for user, listed in enumerate(lists.tracks):
        assert len(set(listed)) == 20
        assert not PLAYS[[user], :].toarray()[0, listed].any()


def test_beside_genres_the_model_serves_users_from_three_listens_on(
    bm25: FittedModel,
) -> None:
    lists = lists_of(bm25)
    sources = named(lists)
    is_cold = LISTENS <= COLD_LISTENS
    assert DEFAULT_COLD_START.listens == COLD_LISTENS == 2
    assert is_cold.sum() > 20
    assert (sources[is_cold, 0] == GENRE_POPULARITY).all()
    warm = np.flatnonzero(~is_cold)
    assert (sources[warm, 0] == MODEL).mean() > 0.99
    tracks, scores = bm25.recommend(PLAYS[warm], 20, INTERACTIONS.recommendable)
    by_model = sources[warm] == MODEL
    np.testing.assert_array_equal(by_model, tracks != NO_TRACK)
    np.testing.assert_array_equal(lists.tracks[warm][by_model], tracks[by_model])
    np.testing.assert_array_equal(lists.scores[warm][by_model], scores[by_model])


def test_a_short_list_is_filled_with_what_is_popular() -> None:
    few = {**PANEL[2].parameters, "neighbours": 4}
    lists = lists_of(replace(PANEL[2], parameters=few).fit(PLAYS, 1), 150)
    sources = named(lists)
    ranking = POPULARITY_CANDIDATE.fit(PLAYS, 1).recommend(
        csr_array((1, 150), dtype=np.float32), 150, INTERACTIONS.recommendable
    )[0][0]
    for user in (int(np.argmax(LISTENS)), 0, 1):
        is_filling = (sources[user] == POPULARITY) & (lists.tracks[user] != NO_TRACK)
        heard = np.flatnonzero(PLAYS[[user], :].toarray()[0])
        listed = lists.tracks[user][sources[user] != POPULARITY]
        taken = [*heard, *listed]
        expected = [track for track in ranking if track not in taken and track != NO_TRACK]
        assert is_filling.any()
        assert lists.tracks[user][is_filling].tolist() == expected


def test_lists_of_popularity_are_marked_as_such() -> None:
    sources = named(lists_of(POPULARITY_CANDIDATE.fit(PLAYS, 1)))
    assert set(np.unique(sources[LISTENS > COLD_LISTENS])) == {POPULARITY}


def test_cold_users_get_a_mixture_of_what_all_and_what_their_like_play() -> None:
    plays = csr_array(
        np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 0]], np.float32)
    )
    genres = csr_array(np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1]], np.float32))
    fallback = learn_fallback(plays, genres, np.array([True, True, True, False]), CAPS)
    fresh = csr_array((1, 4), dtype=np.float32)
    lists = recommend_lists(PANEL[0].fit(plays, 1), fallback, fresh, genres[[4], :], 4)
    everybody = np.array([3, 1, 2]) / 6
    first, second = np.array([2, 1, 1]) / 4, np.array([1, 0, 1]) / 2
    expected = 0.3 * everybody + 0.7 * (first + second) / 2
    assert lists.tracks.tolist() == [[0, 2, 1, NO_TRACK]]
    np.testing.assert_allclose(lists.scores[0, :3], expected[[0, 2, 1]], rtol=1e-6)
    assert named(lists)[0, :3].tolist() == [GENRE_POPULARITY] * 3


def test_without_favourite_genres_one_listen_is_enough_for_the_model(bm25: FittedModel) -> None:
    fallback: Fallback = learn_fallback(PLAYS, GENRES, INTERACTIONS.recommendable, CAPS)
    nothing = csr_array((1, 150), dtype=np.float32)
    one = csr_array(PLAYS[[int(np.flatnonzero(LISTENS == 1)[0])], :])
    none = csr_array((1, 6), dtype=np.float32)
    popular, _ = fallback.popularity.recommend(nothing, 5, INTERACTIONS.recommendable)
    lists = recommend_lists(bm25, fallback, nothing, none, 5)
    np.testing.assert_array_equal(lists.tracks, popular)
    assert set(np.unique(named(lists))) == {POPULARITY}
    lists = recommend_lists(bm25, fallback, one, none, 5)
    assert set(np.unique(named(lists))) == {MODEL}
    assert not np.array_equal(lists.tracks, popular)


def test_the_cold_start_says_from_when_on_the_model_serves_and_what_genres_count(
    bm25: FittedModel,
) -> None:
    fallback = learn_fallback(PLAYS, GENRES, INTERACTIONS.recommendable, CAPS)
    lists = recommend_lists(
        bm25, fallback, PLAYS, GENRES, 20, cold_start=ColdStart(listens=0, genre_weight=0)
    )
    is_new = LISTENS == 0
    assert (named(lists)[~is_new, 0] == MODEL).all()
    nothing = csr_array((1, 150), dtype=np.float32)
    popular, _ = fallback.popularity.recommend(nothing, 20, INTERACTIONS.recommendable)
    assert is_new.sum() > 5
    assert (lists.tracks[is_new] == popular).all()


def test_favourite_genres_foretell_what_cold_users_play() -> None:
    """Users like tracks of their scene, whose name is their favourite genre."""
    fallback = learn_fallback(PLAYS, GENRES, INTERACTIONS.recommendable, CAPS)
    nothing = csr_array((6, 150), dtype=np.float32)
    lists = recommend_lists(PANEL[0].fit(PLAYS, 1), fallback, nothing, GENRES[:6], 10)
    listeners = (GENRES.T @ (PLAYS > 0)).toarray()
    own = [listeners[scene, lists.tracks[scene]].sum() for scene in range(6)]
    other = [listeners[scene, lists.tracks[(scene + 1) % 6]].sum() for scene in range(6)]
    assert np.all(np.array(own) > 1.2 * np.array(other))
