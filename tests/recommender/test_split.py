from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommender import split as splitting
from recommender.interactions import Interactions, Listens
from recommender.split import COLD, ENOUGH_COLD, HELD_OUT_SHARE, Holdout, split_listens
from tests.recommender.listeners import make_listens

DAY = np.timedelta64(1, "D")
MARCH = np.datetime64("2026-03-01", "us")


def listens_of(*rows: tuple[int, int, int]) -> Listens:
    """Listens by user, track and day of March."""
    users, tracks, days = np.array(rows).T
    observed_at = MARCH + (days - 1) * DAY
    return Listens(users.astype(np.int32), tracks.astype(np.int32), observed_at)


def interactions_of(listens: Listens, users: int, tracks: int) -> Interactions:
    counts = np.ones(len(listens.users), np.float32)
    plays = csr_array((counts, (listens.users, listens.tracks)), shape=(users, tracks))
    interactions, _ = make_listens(users, tracks)
    return replace(interactions, plays=plays, recommendable=np.ones(tracks, dtype=bool))


def pairs(matrix: csr_array, users: np.ndarray[tuple[int], np.dtype[np.int64]]) -> set[object]:
    rows, columns = matrix.nonzero()
    return set(zip(users[rows].tolist(), columns.tolist(), strict=True))


def everybody(holdout: Holdout) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(holdout.plays.shape[0])


def test_the_latest_crawls_are_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "ENOUGH_USERS", 1)
    listens = listens_of(
        *((0, track, 1) for track in range(8)),
        (1, 0, 1),
        *((1, track, 2) for track in range(1, 8)),
        (1, 1, 3),
        (1, 8, 3),
        (2, 9, 4),
        (2, 9, 4),
    )
    interactions = interactions_of(listens, 3, 10)
    test = split_listens(interactions, listens, 1).test
    # four of twenty; the track that user 1 had heard before is no target
    assert test.held_from == datetime(2026, 3, 3, tzinfo=UTC)
    assert test.users.tolist() == [1, 2]
    assert pairs(test.targets, test.users) == {(1, 8), (2, 9)}
    assert set(test.targets.data) == {1}
    assert test.plays.sum() == 16
    assert test.plays.toarray()[2].sum() == 0


def test_where_few_have_new_listens_the_others_lose_their_last_ones() -> None:
    """All was seen by one crawl: a fifth of each user's listens, one at least and never all."""
    listens = listens_of(
        *((0, track, 1) for track in range(6)),
        *((1, track, 1) for track in (3, 2)),
        (2, 5, 1),
    )
    interactions = interactions_of(listens, 3, 6)
    test = split_listens(interactions, listens, 1).test
    assert pairs(test.targets, test.users) == {(0, 4), (0, 5), (1, 2)}
    assert pairs(test.plays, everybody(test)) == {
        *((0, track) for track in range(4)),
        (1, 3),
        (2, 5),
    }
    assert test.held_from == datetime(2026, 3, 1, tzinfo=UTC)


def test_users_with_late_listens_keep_their_earlier_ones() -> None:
    listens = listens_of(
        *((0, track, 1) for track in range(5)),
        (0, 5, 2),
        *((1, track, 1) for track in range(5)),
    )
    test = split_listens(interactions_of(listens, 2, 6), listens, 1).test
    assert pairs(test.targets, test.users) == {(0, 5), (1, 4)}


def test_validation_lies_before_test_and_within_its_plays() -> None:
    interactions, listens = make_listens(users=1500)
    split = split_listens(interactions, listens, 1)
    validation, test = split.validation, split.test
    assert validation.held_from is not None
    assert test.held_from is not None
    assert validation.held_from < test.held_from
    # never more than a fifth, and not much less where a crawl is a twentieth
    for holdout, whole in ((test, interactions.plays), (validation, test.plays)):
        share = 1 - holdout.plays.sum() / whole.sum()
        assert HELD_OUT_SHARE - 0.06 < share <= HELD_OUT_SHARE
    seen = pairs(test.plays, everybody(test))
    assert pairs(validation.plays, everybody(validation)) <= seen
    assert pairs(validation.targets, validation.users) <= seen
    assert not pairs(test.targets, test.users) & seen
    assert (np.diff(test.targets.indptr) > 0).all()


def test_only_what_may_be_recommended_is_a_target() -> None:
    interactions, listens = make_listens()
    test = split_listens(interactions, listens, 1).test
    assert test.targets.nnz > 100
    assert interactions.recommendable[test.targets.indices].all()


def test_of_many_users_some_are_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    interactions, listens = make_listens()
    whole = split_listens(interactions, listens, 1).test
    monkeypatch.setattr(splitting, "JUDGED_USERS", 50)
    one, same, other = (split_listens(interactions, listens, seed).test for seed in (1, 1, 2))
    assert len(one.users) == len(other.users) == 50
    np.testing.assert_array_equal(one.users, same.users)
    assert not np.array_equal(one.users, other.users)
    assert pairs(one.targets, one.users) <= pairs(whole.targets, whole.users)
    assert one.plays.sum() == whole.plays.sum()


def test_without_listens_there_is_nobody_to_judge_by() -> None:
    nothing = Listens(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, "datetime64[us]"))
    split = split_listens(interactions_of(nothing, 2, 3), nothing, 1)
    assert len(split.test.users) == len(split.validation.users) == 0
    assert split.test.held_from is None


def test_where_hardly_anybody_is_new_some_are_shown_with_their_first_listens() -> None:
    interactions, listens = make_listens(users=3000)
    busy = np.bincount(listens.users, minlength=3000)[listens.users] > 20
    listens = Listens(listens.users[busy], listens.tracks[busy], listens.observed_at[busy])
    test = split_listens(interactions, listens, 1).test
    counts = np.asarray(test.plays.sum(axis=1))
    is_few = np.isin(counts[test.users], COLD)
    assert is_few.sum() >= ENOUGH_COLD
    assert set(counts[test.users][is_few]) == set(COLD)
    user = int(test.users[is_few][0])
    own = listens.users == user
    shown = int(counts[user])
    assert set(test.plays[[user], :].indices) == set(listens.tracks[own][:shown])
    # what is hidden is no target: a champion may have seen it
    assert test.held_from is not None
    late = listens.observed_at[own] >= np.datetime64(test.held_from.replace(tzinfo=None))
    targets = set(test.targets[[int(np.flatnonzero(is_few)[0])], :].indices)
    assert targets <= set(listens.tracks[own][late]) - set(listens.tracks[own][~late])
