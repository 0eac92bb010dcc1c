"""The drills: who is promoted, who is not, and why."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from recommender.gate import Contest, Decision, Thresholds, decide, list_fault
from recommender.metrics import segment_masks
from recommender.models import NO_TRACK, PopularityModel, Tracks
from recommender.panel import PANEL, POPULARITY, Candidate
from recommender.selection import select, serve_holdout
from recommender.split import Split, split_listens
from tests.recommender.listeners import make_listens

BM25 = PANEL[2]
(ALS,) = (one for one in PANEL if one.name == "als-64")


@functools.cache
def split_of(*, has_tastes: bool = True, seed: int = 1) -> Split:
    return split_listens(*make_listens(users=600, seed=seed, has_tastes=has_tastes), seed)


@functools.cache
def lists_of(
    candidate: Candidate, seed: int = 1, *, has_tastes: bool = True, world: int = 1
) -> Tracks:
    test = split_of(has_tastes=has_tastes, seed=world).test
    return serve_holdout(candidate.fit(test.plays, seed), test).tracks


def contest(challenger: Tracks, champion: Tracks | None = None) -> Decision:
    popularity = lists_of(POPULARITY)
    champion = popularity if champion is None else champion
    return decide(Contest(challenger, champion, popularity), split_of().test, 1)


def test_a_really_better_model_is_promoted() -> None:
    decision = contest(lists_of(BM25))
    assert decision.promote
    assert decision.difference is not None
    assert decision.lower is not None
    assert 0 < decision.lower < decision.difference
    assert decision.reason.startswith("Better than popularity: ndcg@20 +0.")
    assert decision.user_count == len(split_of().test.users)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_the_same_data_with_another_seed_is_not_promoted(seed: int) -> None:
    challenger, champion = lists_of(ALS, seed), lists_of(ALS, seed + 10)
    assert not np.array_equal(challenger, champion)
    decision = contest(challenger, champion)
    assert not decision.promote
    assert decision.reason.startswith("Not surely better than the champion")


def test_the_same_recipe_with_the_same_seed_is_not_promoted() -> None:
    decision = contest(lists_of(BM25), lists_of(BM25))
    assert not decision.promote
    assert decision.difference == decision.lower == decision.upper == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_random_listens_popularity_stays(seed: int) -> None:
    """Whatever the panel's winner is, and whichever other model tries."""
    split = split_of(has_tastes=False, seed=seed)
    winner = select(split.validation, seed, (POPULARITY, BM25, ALS)).winner
    lists = functools.partial(lists_of, has_tastes=False, world=seed)
    for challenger in (winner, BM25, ALS):
        drill = Contest(lists(challenger), lists(POPULARITY), lists(POPULARITY))
        assert not decide(drill, split.test, seed).promote


def test_a_model_that_is_worse_for_cold_users_alone_is_blocked() -> None:
    """Better for all together, but cold users get their lists in reverse."""
    test = split_of().test
    cold = segment_masks(test)["cold"]
    assert cold.sum() >= Thresholds().segment_users
    spoiled = lists_of(BM25).copy()
    spoiled[cold] = spoiled[cold][:, ::-1]
    decision = contest(spoiled)
    assert decision.lower is not None
    assert decision.lower > 0
    assert not decision.promote
    assert decision.reason.startswith("Worse for cold users: ndcg@20 -0.")
    # too few of them to say so
    drill = Contest(spoiled, lists_of(POPULARITY), lists_of(POPULARITY))
    lenient = Thresholds(segment_users=int(cold.sum()) + 1)
    assert decide(drill, test, 1, lenient).promote


def test_better_than_a_bad_champion_but_not_than_popularity_is_not_enough() -> None:
    decision = contest(_nearly(lists_of(POPULARITY)), _unpopular())
    assert decision.lower is not None
    assert decision.lower > 0
    assert not decision.promote
    assert decision.reason.startswith("Not surely better than popularity")


def test_popularity_itself_replaces_a_champion_that_is_worse() -> None:
    decision = contest(lists_of(POPULARITY), _unpopular())
    assert decision.promote


def test_too_few_users_decide_nothing() -> None:
    test = split_of().test
    few = replace(test, users=test.users[:99], targets=test.targets[:99])
    lists = [lists_of(candidate)[:99] for candidate in (BM25, POPULARITY, POPULARITY)]
    decision = decide(Contest(*lists), few, 1)
    assert not decision.promote
    assert decision.reason == "Too few users to judge by: 99, not 100."
    none = replace(test, users=test.users[:0], targets=test.targets[:0])
    nobody = decide(Contest(*(one[:0] for one in lists)), none, 1)
    assert (nobody.promote, nobody.difference, nobody.user_count) == (False, None, 0)


def test_lists_that_hardly_cover_the_catalogue_are_refused() -> None:
    drill = Contest(lists_of(BM25), lists_of(POPULARITY), lists_of(POPULARITY))
    decision = decide(drill, split_of().test, 1, Thresholds(coverage=1.0))
    assert not decision.promote
    assert "cover" in decision.reason


def _spoiled(fault: str) -> Tracks:
    test, tracks = split_of().test, lists_of(BM25).copy()
    if fault == "a list names a track twice":
        tracks[3, 4] = tracks[3, 5]
    elif fault == "a list names a track that may not be recommended":
        tracks[3, 4] = np.flatnonzero(~test.recommendable)[0]
    elif fault == "a list names a track that its user has heard":
        heard = test.plays[test.users].toarray() * test.recommendable
        user = int(np.argmax(heard.sum(axis=1)))
        tracks[user, 4] = np.argmax(heard[user])
    else:
        tracks[3, 19] = NO_TRACK
    return tracks


@pytest.mark.parametrize(
    "fault",
    [
        "a list names a track twice",
        "a list names a track that may not be recommended",
        "a list names a track that its user has heard",
        "a list is shorter than it could be",
    ],
)
def test_invalid_lists_are_refused(fault: str) -> None:
    assert list_fault(_spoiled(fault), split_of().test) == fault
    decision = contest(_spoiled(fault))
    assert not decision.promote
    assert decision.reason == f"The challenger's lists are not valid: {fault}."


def test_lists_may_end_with_the_catalogue() -> None:
    test = split_of().test
    few = np.zeros_like(test.recommendable)
    few[:10] = True
    small = replace(test, recommendable=few)
    tracks = serve_holdout(BM25.fit(test.plays, 1), small).tracks
    assert (tracks[:, 10:] == NO_TRACK).all()
    assert list_fault(tracks, small) is None
    tracks[:, 0] = NO_TRACK
    assert list_fault(tracks, small) == "a list is shorter than it could be"


def test_the_same_contest_is_decided_the_same() -> None:
    assert contest(lists_of(BM25)) == contest(lists_of(BM25))


def _nearly(tracks: Tracks) -> Tracks:
    """The same lists but for the order of their last two tracks."""
    nearly = tracks.copy()
    nearly[:, [-2, -1]] = nearly[:, [-1, -2]]
    return nearly


def _unpopular() -> Tracks:
    """Lists of what few listen to."""
    test = split_of().test
    listeners = np.bincount(test.plays.indices, minlength=test.plays.shape[1])
    return serve_holdout(PopularityModel(-listeners), test).tracks
