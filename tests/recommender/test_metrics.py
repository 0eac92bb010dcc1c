from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommender import metrics
from recommender.artist_caps import NO_ARTIST, ArtistCaps
from recommender.metrics import (
    CUTOFFS,
    LIST_LENGTH,
    bootstrap,
    coverage,
    evaluate,
    gini,
    segment_masks,
    user_metrics,
)
from recommender.models import NO_TRACK
from recommender.panel import PANEL
from recommender.selection import serve_holdout
from recommender.split import Holdout, split_listens
from tests.recommender.listeners import make_listens

INTERACTIONS, LISTENS = make_listens()
TEST = split_listens(INTERACTIONS, LISTENS, 1).test


def holdout_of(plays: list[list[int]], targets: list[list[int]]) -> Holdout:
    matrix = csr_array(np.array(plays, np.float32))
    return Holdout(
        plays=matrix,
        user_genres=csr_array((len(plays), 0), dtype=np.float32),
        recommendable=np.ones(matrix.shape[1], dtype=bool),
        caps=ArtistCaps(np.full(matrix.shape[1], NO_ARTIST), 0, 0),
        users=np.arange(len(targets)),
        targets=csr_array(np.array(targets, np.float32)),
        held_from=None,
    )


def padded(*lists: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.array([row + [NO_TRACK] * (LIST_LENGTH - len(row)) for row in lists], np.int32)


def test_metrics_are_those_worked_out_by_hand() -> None:
    """Hits at ranks 2 and 3 of three targets; no hit; the one target at rank 1."""
    holdout = holdout_of(
        [[1, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]],
        [[0, 0, 0, 1, 1, 1], [1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]],
    )
    found = user_metrics(padded([2, 3, 4], [3, 4], [2]), holdout)
    gain = 1 / math.log2(3) + 1 / 2
    best = 1 + 1 / math.log2(3) + 1 / 2
    for k in CUTOFFS:
        np.testing.assert_allclose(found["ndcg", k], [gain / best, 0, 1])
        np.testing.assert_allclose(found["recall", k], [2 / 3, 0, 1])
        np.testing.assert_allclose(found["map", k], [(1 / 2 + 2 / 3) / 3, 0, 1])
        np.testing.assert_allclose(found["hit_rate", k], [1, 0, 1])
        # of four users nobody heard tracks 2 to 5, which counts as one
        np.testing.assert_allclose(found["novelty", k], [2, 2, 2])
    assert coverage(padded([2, 3, 4], [3, 4], [2]), holdout) == 3 / 6


def test_novelty_is_the_surprise_of_hearing_a_track() -> None:
    holdout = holdout_of([[1, 1, 0]] * 3 + [[1, 0, 0]], [[0, 0, 1]])
    found = user_metrics(padded([0, 1, 2]), holdout)
    assert found["novelty", 10].tolist() == pytest.approx(
        [(math.log2(1) + math.log2(4 / 3) + math.log2(4)) / 3]
    )


def test_a_hit_behind_the_cutoff_does_not_count() -> None:
    targets = [[0] * 30]
    targets[0][11] = targets[0][25] = 1
    found = user_metrics(padded(list(range(20))), holdout_of([[0] * 30], targets))
    assert [found[metric, 10][0] for metric in ("ndcg", "recall", "map", "hit_rate")] == [0] * 4
    assert found["recall", 20][0] == 0.5
    assert found["map", 20][0] == pytest.approx(1 / 12 / 2)
    assert found["ndcg", 20][0] == pytest.approx((1 / math.log2(13)) / (1 + 1 / math.log2(3)))


def test_more_targets_than_places_can_all_be_hit() -> None:
    found = user_metrics(padded(list(range(20))), holdout_of([[0] * 30], [[1] * 30]))
    assert found["ndcg", 10][0] == pytest.approx(1)
    assert found["map", 20][0] == pytest.approx(1)
    assert found["recall", 20][0] == pytest.approx(20 / 30)


def test_segments_are_by_listens_before() -> None:
    plays = [[listens] for listens in (0, 2, 3, 9, 10, 50)]
    masks = segment_masks(holdout_of(plays, [[1]] * 6))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == {
        "all": [0, 1, 2, 3, 4, 5],
        "cold": [0, 1],
        "light": [2, 3],
        "heavy": [4, 5],
    }


def test_intervals_are_those_of_resampled_means() -> None:
    values = np.random.default_rng(3).normal(5, 2, (400, 1))
    (interval,) = bootstrap(values, 1)
    # the percentile interval of a mean is nearly the normal one
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.lower == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.upper == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_intervals_are_paired_and_the_same_for_the_same_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(3).random((60, 1))
    paired = np.column_stack([values, values + 1])
    one, two = bootstrap(paired, 1)
    assert two.lower == pytest.approx(one.lower + 1)
    assert two.upper == pytest.approx(one.upper + 1)
    assert bootstrap(paired, 1) == [one, two]
    assert bootstrap(paired, 2) != [one, two]
    # also when drawn in more than one go
    monkeypatch.setattr(metrics, "_DRAWS_AT_A_TIME", 700)
    lower = bootstrap(paired, 1)[0].lower
    assert lower == pytest.approx(one.lower, abs=0.02)


def test_everything_is_measured_for_every_segment_with_users() -> None:
    tracks = serve_holdout(PANEL[2].fit(TEST.plays, 1), TEST).tracks
    found = evaluate(tracks, TEST, 1)
    assert found == evaluate(tracks, TEST, 1)
    assert {(one.segment, one.metric, one.cutoff) for one in found} == {
        (segment, metric, k)
        for segment in ("all", "cold", "light", "heavy")
        for metric in (
            "ndcg",
            "recall",
            "map",
            "hit_rate",
            "novelty",
            "artists",
            "diversity",
            "coverage",
            "gini",
        )
        for k in (10, 20)
    }
    for one in found:
        if one.metric in {"coverage", "gini"}:
            assert one.lower is one.upper is None
        else:
            assert one.lower is not None
            assert one.upper is not None
            assert one.lower <= one.value <= one.upper
    counts = {one.segment: one.user_count for one in found}
    assert counts["all"] == len(TEST.users) == sum(counts.values()) - counts["all"]
    # of the cold alone, as seen by themselves
    cold = segment_masks(TEST)["cold"]
    value = next(o.value for o in found if (o.segment, o.metric, o.cutoff) == ("cold", "ndcg", 20))
    assert value == pytest.approx(user_metrics(tracks, TEST)["ndcg", 20][cold].mean())


def test_a_segment_without_users_is_left_out() -> None:
    holdout = holdout_of([[20] + [0] * 24], [[0, 1] + [0] * 23])
    assert {one.segment for one in evaluate(padded([1]), holdout, 1)} == {"all", "heavy"}


def test_a_list_of_the_same_listeners_has_no_diversity_and_one_of_others_has_all() -> None:
    plays = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1]]
    holdout = holdout_of(plays, [[0, 0, 0, 1]] * 3)
    found = user_metrics(padded([0, 2], [0, 1], [3]), holdout)["diversity", 10]
    # two listeners of two and three
    assert found.tolist() == pytest.approx([1, 1 - 2 / math.sqrt(2 * 3), 0], abs=1e-6)


def test_artists_are_counted_and_unknown_ones_are_as_many_as_tracks() -> None:
    caps = ArtistCaps(np.array([4, 4, 7, NO_ARTIST, NO_ARTIST]), 0, 0)
    holdout = replace(holdout_of([[1] * 5], [[1] * 5] * 2), caps=caps)
    found = user_metrics(padded([0, 1, 2], [0, 3, 4, 1]), holdout)
    assert found["artists", 20].tolist() == [2, 3]


def test_gini_is_0_when_tracks_are_listed_equally_and_grows_with_what_few_have() -> None:
    holdout = holdout_of([[1] * 4], [[1] * 4])
    assert gini(padded([0, 1], [2, 3]), holdout) == pytest.approx(0)
    # of 0, 0, 1 and 3: (2 * (3 * 1 + 4 * 3)) / (4 * 4) - 5 / 4
    assert gini(padded([0, 1], [0], [0]), holdout) == pytest.approx(0.625)
    assert gini(padded([]), holdout) == 0
