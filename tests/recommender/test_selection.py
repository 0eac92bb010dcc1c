from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array, vstack

from recommender.fallback import DEFAULT_COLD_START
from recommender.metrics import Measurement, user_metrics
from recommender.panel import COSINE, PANEL, POPULARITY, Candidate, blend
from recommender.selection import BLEND_WEIGHTS, Selection, choose_cold_start, select, serve_holdout
from recommender.split import Holdout, split_listens
from tests.recommender.listeners import make_listens

FEW = (POPULARITY, *(one for one in PANEL if one.name in {"bm25-k100-log", "ridge-30"}))


@functools.cache
def validation(*, has_tastes: bool, seed: int = 1) -> Holdout:
    interactions, listens = make_listens(users=600, seed=seed, has_tastes=has_tastes)
    return split_listens(interactions, listens, 1).validation


def ndcg(measurements: tuple[Measurement, ...]) -> float:
    (value,) = (
        one.value
        for one in measurements
        if (one.segment, one.metric, one.cutoff) == ("all", "ndcg", 20)
    )
    return value


@functools.cache
def selected() -> Selection:
    return select(validation(has_tastes=True), 1, FEW)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_beats_popularity_by_more_than_chance_where_nobody_has_tastes(seed: int) -> None:
    selection = select(validation(has_tastes=False, seed=seed), seed, FEW)
    lead = ndcg(selection.measurements[selection.winner.name]) - ndcg(
        selection.measurements[POPULARITY.name]
    )
    assert lead < 0.005
    assert ndcg(selection.measurements["ridge-30"]) < ndcg(selection.measurements["popularity"])


def test_a_model_wins_where_users_have_tastes() -> None:
    assert selected().winner.kind in {"bm25", "ridge", "blend"}


def test_the_winner_has_the_highest_ndcg_as_served_and_all_are_measured() -> None:
    holdout = validation(has_tastes=True)
    selection = selected()
    better, other = sorted(FEW[1:], key=lambda one: -ndcg(selection.measurements[one.name]))
    blends = [blend(better, other, weight) for weight in BLEND_WEIGHTS]
    assert set(selection.measurements) == {candidate.name for candidate in (*FEW, *blends)}
    quality = {}
    for candidate in (*FEW, *blends):
        tracks = serve_holdout(candidate.fit(holdout.plays, 1), holdout).tracks
        quality[candidate.name] = user_metrics(tracks, holdout)["ndcg", 20].mean()
        measured = ndcg(selection.measurements[candidate.name])
        assert measured == pytest.approx(quality[candidate.name])
    assert selection.winner.name == max(quality, key=lambda name: quality[name])


def test_the_same_seed_selects_the_same_with_the_same_figures() -> None:
    assert select(validation(has_tastes=True), 1, FEW) == selected()


def test_of_equally_good_candidates_the_first_wins() -> None:
    holdout = validation(has_tastes=True)
    twins = (COSINE, Candidate("twin", COSINE.kind, COSINE.parameters))
    assert select(holdout, 1, twins).winner.name == COSINE.name
    assert select(holdout, 1, twins[::-1]).winner.name == "twin"


def test_with_nobody_to_judge_by_the_first_wins() -> None:
    interactions, listens = make_listens(users=5)
    nobody = split_listens(interactions, listens, 1).validation
    empty = replace(nobody, users=np.empty(0, np.int64), targets=nobody.targets[:0])
    selection = select(empty, 1, FEW)
    assert selection.winner == POPULARITY
    assert selection.measurements["popularity"] == ()


@pytest.mark.parametrize("is_drawn", [False, True])
def test_the_cold_start_follows_what_genres_foretell(is_drawn: bool) -> None:
    """Favourites are the genres of what is played, or drawn by lot; listens are five at most."""
    holdout = validation(has_tastes=True)
    few = csr_array(holdout.plays[holdout.users])
    place = np.arange(few.nnz) - np.repeat(few.indptr[:-1], np.diff(few.indptr))
    few.data[:] = place < 5
    few.eliminate_zeros()
    genres = holdout.user_genres
    if is_drawn:
        genres = csr_array(genres[np.random.default_rng(1).permutation(genres.shape[0])])
    asked = replace(
        holdout,
        plays=csr_array(vstack([few, holdout.plays])),
        user_genres=csr_array(vstack([genres[holdout.users], genres])),
        users=np.arange(len(holdout.users)),
    )
    found = choose_cold_start(FEW[1].fit(holdout.plays, 1), asked, 1)
    assert found.listens == 0 if is_drawn else found.listens > DEFAULT_COLD_START.listens


def test_a_few_users_do_not_change_the_cold_start() -> None:
    holdout = validation(has_tastes=True)
    few = replace(holdout, users=holdout.users[:20], targets=holdout.targets[:20])
    assert choose_cold_start(FEW[1].fit(holdout.plays, 1), few, 1) == DEFAULT_COLD_START
