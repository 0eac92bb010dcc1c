from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recommender.catalogue import in_catalogue
from recommender.models import NO_TRACK
from recommender.panel import PANEL, POPULARITY
from tests.recommender.listeners import make_listens

INTERACTIONS, _ = make_listens()
TRACK_COUNT = len(INTERACTIONS.track_ids)
EVERY = np.ones(TRACK_COUNT, dtype=bool)


def test_a_model_of_todays_tracks_is_left_as_it_is() -> None:
    model = POPULARITY.fit(INTERACTIONS.plays, 1)
    assert in_catalogue(model, INTERACTIONS.track_ids.copy(), INTERACTIONS.track_ids) is model


def test_a_model_speaks_of_todays_tracks() -> None:
    """Its first 30 tracks are gone; new ones stand before, among and behind the others."""
    bm25 = PANEL[2].fit(INTERACTIONS.plays, 1)
    ids = INTERACTIONS.track_ids
    today = np.sort(np.concatenate([ids[30:], np.array(["a", "t0050b", "z"], object)]))
    now = np.searchsorted(today, ids[30:])
    plays = np.zeros((400, len(today)), np.float32)
    plays[:, now] = INTERACTIONS.plays.toarray()[:, 30:]
    plays[:, 0] = 1
    model = in_catalogue(bm25, ids, today)
    tracks, scores = model.recommend(csr_array(plays), 20, np.ones(len(today), dtype=bool))
    assert model.kind == "bm25"
    assert set(model.to_arrays()) == set(bm25.to_arrays())

    known = INTERACTIONS.plays.toarray()
    known[:, :30] = 0
    allowed = EVERY.copy()
    allowed[:30] = False
    expected, expected_scores = bm25.recommend(csr_array(known), 20, allowed)
    names = np.where(tracks == NO_TRACK, "", today[tracks])
    np.testing.assert_array_equal(names, np.where(expected == NO_TRACK, "", ids[expected]))
    np.testing.assert_array_equal(scores, expected_scores)
    assert not np.isin(names, ["a", "t0050b", "z"]).any()


def test_what_may_not_be_recommended_today_is_not() -> None:
    model = in_catalogue(
        POPULARITY.fit(INTERACTIONS.plays, 1), INTERACTIONS.track_ids, INTERACTIONS.track_ids[10:]
    )
    allowed = np.zeros(TRACK_COUNT - 10, dtype=bool)
    allowed[[3, 5]] = True
    tracks, _ = model.recommend(csr_array((1, TRACK_COUNT - 10), dtype=np.float32), 3, allowed)
    assert sorted(tracks[0]) == [NO_TRACK, 3, 5]
