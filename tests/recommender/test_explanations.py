"""Reasons: the tracks of a user's own that weigh most in what is recommended."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommender import explanations
from recommender.blend import BlendModel
from recommender.catalogue import in_catalogue
from recommender.explanations import MAX_REASONS, Reasons, explain
from recommender.models import NO_TRACK, Tracks, weigh
from recommender.neighbours import NeighbourModel
from recommender.panel import PANEL, POPULARITY
from tests.recommender.listeners import make_listens

INTERACTIONS, _ = make_listens()
PLAYS, RECOMMENDABLE = INTERACTIONS.plays, INTERACTIONS.recommendable
NAMED = {candidate.name: candidate for candidate in PANEL}
ALS = NAMED["als-64"].fit(PLAYS, 1)
RIDGE, BM25 = (
    NeighbourModel.fit(PLAYS, NAMED[name].kind, **NAMED[name].parameters)
    for name in ("ridge-30", "bm25-k100-log")
)


def expected_reasons(model: NeighbourModel, tracks: Tracks) -> Reasons:
    """What the dense product says."""
    weights, similarity = weigh(PLAYS, model.weighting).toarray(), model.similarity.toarray()
    reasons = np.full((*tracks.shape, MAX_REASONS), NO_TRACK, np.int32)
    for user, place in zip(*np.nonzero(tracks != NO_TRACK), strict=True):
        terms = weights[user] * similarity[:, tracks[user, place]]
        best = np.argsort(-terms, kind="stable")[:MAX_REASONS]
        reasons[user, place] = np.where(terms[best] > 0, best, NO_TRACK)
    return reasons


@pytest.mark.parametrize("model", [RIDGE, BM25], ids=lambda model: model.kind)
def test_reasons_are_the_largest_terms_of_a_score(
    model: NeighbourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks, _ = model.recommend(PLAYS, 20, RECOMMENDABLE)
    expected = expected_reasons(model, tracks)
    assert (expected[:, :, 0] != NO_TRACK)[tracks != NO_TRACK].all()
    assert (expected[:, :, 1] == NO_TRACK)[tracks != NO_TRACK].any()
    np.testing.assert_array_equal(explain(model, PLAYS, tracks), expected)
    # a few users at a time, and one alone who has too much for that
    monkeypatch.setattr(explanations, "_TERMS_AT_A_TIME", 20 * 30)
    np.testing.assert_array_equal(explain(model, PLAYS, tracks), expected)


def test_a_batch_with_nothing_to_explain_has_no_reasons() -> None:
    tracks, _ = RIDGE.recommend(PLAYS[:5], 20, RECOMMENDABLE)
    nothing = np.full_like(tracks, NO_TRACK)
    for plays, listed in ((PLAYS[:5] * 0, tracks), (csr_array((5, PLAYS.shape[1])), tracks)):
        assert (explain(RIDGE, plays, listed) == NO_TRACK).all()
    assert (explain(RIDGE, PLAYS[:5], nothing) == NO_TRACK).all()
    assert explain(RIDGE, PLAYS[:0], tracks[:0]).shape == (0, 20, MAX_REASONS)


def test_a_blend_is_explained_by_its_models_of_neighbours() -> None:
    for first, second, by in ((ALS, RIDGE, RIDGE), (BM25, ALS, BM25)):
        model = BlendModel(first, second, 0.6)
        tracks, _ = model.recommend(PLAYS, 20, RECOMMENDABLE)
        np.testing.assert_array_equal(explain(model, PLAYS, tracks), expected_reasons(by, tracks))
    model = BlendModel(RIDGE, BM25, 0.6)
    tracks, _ = model.recommend(PLAYS, 20, RECOMMENDABLE)
    of_first, of_second = (expected_reasons(by, tracks) for by in (RIDGE, BM25))
    has_none = of_first[:, :, :1] == NO_TRACK
    assert (has_none[:, :, 0] & (of_second[:, :, 0] != NO_TRACK)).any()
    np.testing.assert_array_equal(
        explain(model, PLAYS, tracks), np.where(has_none, of_second, of_first)
    )


def test_models_that_are_no_sums_over_plays_give_no_reasons() -> None:
    for model in (POPULARITY.fit(PLAYS, 1), ALS):
        tracks, _ = model.recommend(PLAYS, 20, RECOMMENDABLE)
        reasons = explain(model, PLAYS, tracks)
        assert reasons.shape == (*tracks.shape, MAX_REASONS)
        assert (reasons == NO_TRACK).all()


def test_reasons_are_given_in_the_columns_of_today() -> None:
    then = np.array([f"{number:03}" for number in range(PLAYS.shape[1])], dtype=object)
    # the first half are gone, as many are new and stand before the others
    new = np.array([f"00{number:03}" for number in range(75)], dtype=object)
    today = np.sort(np.concatenate([new, then[75:]]))
    place = np.searchsorted(today, then[75:])
    kept = csr_array(PLAYS[:, 75:])
    plays = csr_array((kept.data, place[kept.indices], kept.indptr), shape=PLAYS.shape)
    model = in_catalogue(BM25, then, today)
    tracks, _ = model.recommend(plays, 20, np.ones(len(today), dtype=bool))
    tracks[:, -1] = 0  # one that the model does not know

    reasons = explain(model, plays, tracks)

    own = np.append(np.full(len(today), NO_TRACK, np.int32), NO_TRACK)
    own[place] = np.arange(75, 150)
    was = csr_array((kept.data, kept.indices + 75, kept.indptr), shape=PLAYS.shape)
    found = explain(BM25, was, own[tracks])
    np.testing.assert_array_equal(own[reasons], found)
    assert (reasons[:, 0, 0] != NO_TRACK).any()
    assert (reasons[:, -1] == NO_TRACK).all()
