from __future__ import annotations

import functools
import io
import warnings
from dataclasses import replace

import implicit.utils
import numpy as np
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info, threadpool_limits

from recommender.als import AlsModel
from recommender.models import NO_TRACK, take_unheard, weigh
from recommender.neighbours import NeighbourModel, similar_tracks
from recommender.panel import COSINE, PANEL, POPULARITY, Candidate, blend, load_model
from tests.recommender.listeners import make_listens

INTERACTIONS, _ = make_listens()
PLAYS, RECOMMENDABLE = INTERACTIONS.plays, INTERACTIONS.recommendable
NAMED = {candidate.name: candidate for candidate in PANEL}
ALS = NAMED["als-64"]
BLEND = blend(ALS, NAMED["ridge-30"], 0.6)
KINDS = [
    POPULARITY,
    COSINE,
    NAMED["bm25-k100-log"],
    NAMED["rp3beta"],
    NAMED["ridge-30"],
    ALS,
    BLEND,
]
fitted = functools.cache(lambda candidate: candidate.fit(PLAYS, 1))
by_kind = pytest.mark.parametrize("candidate", KINDS, ids=lambda candidate: candidate.kind)


def test_the_panel_has_six_kinds_and_popularity_leads() -> None:
    assert [candidate.name for candidate in PANEL] == [
        "popularity",
        "bm25-k100-binary",
        "bm25-k100-log",
        "bm25-k300-log",
        "rp3beta",
        "ridge-30",
        "ridge-100",
        "ridge-300",
        "als-64",
        "als-256",
    ]


@by_kind
def test_lists_are_distinct_unheard_and_recommendable_and_best_first(candidate: Candidate) -> None:
    tracks, scores = fitted(candidate).recommend(PLAYS, 20, RECOMMENDABLE)
    assert tracks.dtype == np.int32
    assert scores.dtype == np.float32
    assert (tracks != NO_TRACK).any(axis=1).sum() > 300
    for user, listed in enumerate(tracks):
        found = listed[listed != NO_TRACK]
        assert (listed[len(found) :] == NO_TRACK).all()
        assert len(set(found)) == len(found)
        assert RECOMMENDABLE[found].all()
        assert not PLAYS[[user], :].toarray()[0, found].any()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (scores[tracks == NO_TRACK] == 0).all()


@by_kind
def test_a_list_ends_with_the_catalogue(candidate: Candidate) -> None:
    few = np.zeros_like(RECOMMENDABLE)
    few[:5] = True
    tracks, scores = fitted(candidate).recommend(PLAYS, 500, few)
    assert tracks.shape == scores.shape == (400, 500)
    assert (tracks[:, 5:] == NO_TRACK).all()
    assert set(np.unique(tracks)) <= {NO_TRACK, 0, 1, 2, 3, 4}


@by_kind
def test_heard_tracks_are_listed_when_asked_for(candidate: Candidate) -> None:
    model = fitted(candidate)
    heavy = PLAYS[[int(np.argmax(PLAYS.sum(axis=1)))], :]
    tracks, _ = model.recommend(heavy, 20, RECOMMENDABLE, exclude_heard=False)
    assert heavy.toarray()[0, tracks[0]].any()


@by_kind
def test_a_track_that_nobody_played_is_listed_by_popularity_alone_and_last(
    candidate: Candidate,
) -> None:
    wider = csr_array((PLAYS.data, PLAYS.indices, PLAYS.indptr), shape=(400, 151))
    tracks, _ = candidate.fit(wider, 1).recommend(wider, 151, np.ones(151, dtype=bool))
    is_listed = (tracks == 150).any(axis=1)
    if candidate is POPULARITY:
        assert is_listed.all()
        lengths = (tracks != NO_TRACK).sum(axis=1)
        assert (tracks[np.arange(400), lengths - 1] == 150).all()
    else:
        assert not is_listed.any()


@by_kind
def test_a_model_comes_back_from_a_file_without_pickle(candidate: Candidate) -> None:
    model = fitted(candidate)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **model.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = load_model(candidate.kind, arrays)
    assert again.kind == model.kind == candidate.kind
    for found, expected in zip(
        again.recommend(PLAYS, 20, RECOMMENDABLE),
        model.recommend(PLAYS, 20, RECOMMENDABLE),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


@by_kind
def test_the_same_seed_gives_the_same_model(candidate: Candidate) -> None:
    one, two = fitted(candidate).to_arrays(), candidate.fit(PLAYS, 1).to_arrays()
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


@by_kind
def test_a_user_is_scored_from_current_plays_alone(candidate: Candidate) -> None:
    others = PLAYS[np.arange(1, 400)]
    model = candidate.fit(csr_array(others), 1)
    alone, _ = model.recommend(csr_array(PLAYS[[0], :]), 20, RECOMMENDABLE)
    among, _ = model.recommend(PLAYS, 20, RECOMMENDABLE)
    np.testing.assert_array_equal(alone[0], among[0])


def test_another_seed_gives_another_als() -> None:
    one, two = fitted(ALS), ALS.fit(PLAYS, 2)
    assert not np.array_equal(one.to_arrays()["factors"], two.to_arrays()["factors"])


def test_popularity_counts_listeners_not_plays() -> None:
    plays = csr_array(np.array([[9, 1, 0], [0, 1, 0], [0, 0, 0]], np.float32))
    tracks, scores = POPULARITY.fit(plays, 1).recommend(plays, 3, np.ones(3, dtype=bool))
    assert tracks.tolist() == [[2, -1, -1], [0, 2, -1], [1, 0, 2]]
    np.testing.assert_allclose(scores[2], [1, 0.5, 0])


def test_neighbours_score_by_plays_times_similarity() -> None:
    model = fitted(NAMED["bm25-k100-log"])
    assert isinstance(model, NeighbourModel)
    expected = weigh(PLAYS, "log").toarray() @ model.similarity.toarray()
    expected[PLAYS.toarray() > 0] = 0
    expected[:, ~RECOMMENDABLE] = 0
    tracks, scores = model.recommend(PLAYS, 10, RECOMMENDABLE)
    best = -np.sort(-expected, axis=1)[:, :10]
    np.testing.assert_allclose(scores, np.maximum(best, 0), rtol=1e-4)
    rows, columns = np.nonzero(tracks != NO_TRACK)
    np.testing.assert_allclose(
        expected[rows, tracks[rows, columns]], scores[rows, columns], rtol=1e-4
    )


def test_rp3beta_walks_from_track_to_user_to_track() -> None:
    candidate = replace(
        NAMED["rp3beta"],
        parameters={**NAMED["rp3beta"].parameters, "neighbours": 150, "alpha": 0.7, "beta": 0.3},
    )
    model = candidate.fit(PLAYS, 1)
    assert isinstance(model, NeighbourModel)
    heard = (PLAYS.toarray() > 0).astype(float)
    users, listeners = (np.maximum(heard.sum(axis=axis), 1) for axis in (1, 0))
    # p(user | track)^alpha * p(track | user)^alpha / listeners^beta, Paudel et al. 2017
    walk = (heard / listeners**0.7).T @ (heard / users[:, None] ** 0.7) / listeners**0.3
    np.fill_diagonal(walk, 0)
    np.testing.assert_allclose(model.similarity.toarray(), walk, rtol=1e-4, atol=1e-7)


def test_ridge_on_all_tracks_solves_the_normal_equations() -> None:
    candidate = replace(
        NAMED["ridge-30"], parameters={**NAMED["ridge-30"].parameters, "neighbours": 149}
    )
    model = candidate.fit(PLAYS, 1)
    assert isinstance(model, NeighbourModel)
    weights = np.log1p(PLAYS.toarray())
    penalty = 30 * np.square(weights[weights > 0]).mean()
    found = model.similarity.toarray()
    for track in np.argsort(-PLAYS.sum(axis=0))[:10]:
        others = np.flatnonzero((weights.T @ weights[:, track] > 0) & (np.arange(150) != track))
        squares = weights[:, others].T @ weights[:, others] + penalty * np.eye(len(others))
        expected = np.linalg.solve(squares, weights[:, others].T @ weights[:, track])
        np.testing.assert_allclose(found[others, track], expected, rtol=1e-3, atol=1e-5)


def test_a_count_of_plays_in_hundreds_makes_the_same_ridge_and_als() -> None:
    """As Last.fm counts plays of artists, and other sources do not."""
    scaled = PLAYS.copy()
    scaled.data = np.expm1(7 * np.log1p(PLAYS.data))
    assert np.array_equal(scaled.indices, PLAYS.indices)
    for name in ("ridge-30", "als-64"):
        one = fitted(NAMED[name]).recommend(PLAYS, 10, RECOMMENDABLE)[0]
        other = NAMED[name].fit(scaled, 1).recommend(scaled, 10, RECOMMENDABLE)[0]
        assert (one == other).mean() > 0.98


def test_a_blend_adds_scores_over_their_maximum() -> None:
    tracks, scores = fitted(BLEND).recommend(PLAYS, 10, RECOMMENDABLE)
    expected = np.zeros(PLAYS.shape)
    for part, weight in ((ALS, 1), (NAMED["ridge-30"], 0.6)):
        named, given = fitted(part).recommend(PLAYS, 100, RECOMMENDABLE)
        rows, places = np.nonzero(named != NO_TRACK)
        expected[rows, named[rows, places]] += weight * given[rows, places] / given[rows, 0]
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :10], rtol=1e-5)
    rows, columns = np.nonzero(tracks != NO_TRACK)
    np.testing.assert_allclose(
        expected[rows, tracks[rows, columns]], scores[rows, columns], rtol=1e-5
    )


def test_als_folds_users_in_by_weighted_least_squares() -> None:
    model = fitted(ALS)
    assert isinstance(model, AlsModel)
    model = replace(model, weighting="log")
    factors = model.factors.astype(np.float64)
    tracks, scores = model.recommend(PLAYS, 10, RECOMMENDABLE)
    for user in np.flatnonzero(PLAYS.sum(axis=1) > 5)[:20]:
        confidence = model.alpha * np.log1p(PLAYS[[user], :].toarray()[0])
        # Hu, Koren and Volinsky 2008, with confidences that are 1 for what was not played
        weights = np.where(confidence > 0, confidence, 1)
        left = factors.T @ (weights[:, None] * factors)
        left += model.regularization * np.eye(factors.shape[1])
        found = np.linalg.solve(left, factors.T @ confidence)
        expected = factors @ found
        listed = tracks[user][tracks[user] != NO_TRACK]
        np.testing.assert_allclose(scores[user, : len(listed)], expected[listed], atol=1e-3)
        rest = np.setdiff1d(
            np.flatnonzero(RECOMMENDABLE & (confidence == 0)), listed, assume_unique=True
        )
        assert expected[rest].max() <= scores[user, 9] + 1e-3


def test_als_computes_without_threads_of_blas_and_gives_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with threadpool_limits(2, "blas"), warnings.catch_warnings():
        before = threadpool_info()
        # implicit warns of threads, once
        warnings.simplefilter("error")
        monkeypatch.setattr(implicit.utils, "_checked_blas_config", False)
        model = ALS.fit(PLAYS, 1)
        monkeypatch.setattr(implicit.utils, "_checked_blas_config", False)
        model.recommend(PLAYS, 10, RECOMMENDABLE)
        assert threadpool_info() == before


def test_a_model_of_no_plays_recommends_nothing() -> None:
    nothing = csr_array((3, 4), dtype=np.float32)
    for candidate in KINDS[1:]:
        tracks, _ = candidate.fit(nothing, 1).recommend(nothing, 2, np.ones(4, dtype=bool))
        assert (tracks == NO_TRACK).all()


def test_files_of_no_model_are_refused() -> None:
    with pytest.raises(ValueError, match="no kind of model called 'magic'"):
        load_model("magic", {})
    with pytest.raises(KeyError):
        load_model("als", {"weighting": np.array("log")})
    arrays = fitted(KINDS[1]).to_arrays()
    with pytest.raises(ValueError, match="indices"):
        load_model("cosine", {**arrays, "indices": arrays["indices"] + 150})


def test_similar_tracks_are_those_with_the_highest_cosine() -> None:
    tracks, scores = similar_tracks(PLAYS, 5, RECOMMENDABLE)
    weights = np.log1p(PLAYS.toarray())
    unit = weights / np.maximum(np.linalg.norm(weights, axis=0), 1e-9)
    cosine = unit.T @ unit
    np.fill_diagonal(cosine, 0)
    cosine[:, ~RECOMMENDABLE] = 0
    np.testing.assert_allclose(scores, -np.sort(-cosine, axis=1)[:, :5], atol=1e-5)
    rows, columns = np.nonzero(tracks != NO_TRACK)
    np.testing.assert_allclose(
        cosine[rows, tracks[rows, columns]], scores[rows, columns], atol=1e-5
    )
    assert not (tracks == np.arange(150)[:, None]).any()


def test_the_first_unheard_of_a_ranking_are_taken() -> None:
    heard = csr_array(np.array([[0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]]))
    taken = take_unheard(np.array([3, 1, 0], np.int32), heard, 2)
    assert taken.tolist() == [[3, 1], [0, -1], [-1, -1]]
