"""Exploration: little-known tracks of what a user plays, in a few lower places of a list."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommender.exploration import (
    FEW_LISTENERS,
    Explorer,
    decide_share,
    exploration_ranks,
    learn_explorer,
)
from recommender.fallback import EXPLORATION, SOURCES, Lists, learn_fallback, recommend_lists
from recommender.models import NO_TRACK
from recommender.panel import PANEL
from recommender.split import caps_of
from tests.recommender.conftest import House
from tests.recommender.listeners import make_listens
from tests.recommender.marts import CUTOFF
from warehouse.settings import ListRules

DAY, N = date(2026, 3, 10), 20
MADE, _ = make_listens(tracks=400)
# three tracks of an album, six of an artist; some of nobody
NUMBERS = np.arange(400)
INTERACTIONS = replace(
    MADE,
    artists=np.where(NUMBERS % 10 == 0, -1, NUMBERS // 6),
    albums=np.where(NUMBERS % 10 == 0, -1, NUMBERS // 3),
)
PLAYS, USERS = INTERACTIONS.plays, INTERACTIONS.user_ids
LISTENERS = np.bincount(PLAYS.indices, minlength=PLAYS.shape[1])
CAPS = caps_of(INTERACTIONS, ListRules())
FALLBACK = learn_fallback(PLAYS, INTERACTIONS.user_genres, INTERACTIONS.recommendable, CAPS)
LISTS = recommend_lists(PANEL[0].fit(PLAYS, 1), FALLBACK, PLAYS, INTERACTIONS.user_genres, N)


def explorer(slots: int = 2, day: date = DAY) -> Explorer:
    return learn_explorer(INTERACTIONS, CAPS, slots, day)


def is_explored(lists: Lists) -> np.ndarray:
    flags: np.ndarray = lists.sources == SOURCES.index(EXPLORATION)
    return flags


@pytest.mark.parametrize(
    ("slots", "ranks"),
    [(0, []), (1, [20]), (2, [15, 20]), (3, [14, 17, 20]), (5, [12, 14, 16, 18, 20])],
)
def test_places_are_spread_behind_the_first_ten(slots: int, ranks: list[int]) -> None:
    assert exploration_ranks(slots, N).tolist() == ranks


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_lower_places_are_for_unheard_tracks_that_few_have_played(slots: int) -> None:
    lists = explorer(slots).explore(LISTS, PLAYS, USERS)
    explored = is_explored(lists)
    ranks = exploration_ranks(slots, N)
    has_played = np.diff(PLAYS.indptr) > 0
    # a few users have nothing in common with so many
    assert (explored[:, ranks - 1].all(axis=1) == has_played).mean() > 0.9
    assert not explored[~has_played].any()
    assert not np.delete(explored, ranks - 1, axis=1).any()
    assert explored[has_played, -1].all()
    tracks = lists.tracks[explored]
    assert (LISTENERS[tracks] < FEW_LISTENERS).all()
    assert (LISTENERS[tracks] == 0).any()
    assert INTERACTIONS.recommendable[tracks].all()
    assert (lists.scores[explored] == 0).all()
    rows, _ = np.nonzero(explored)
    assert (PLAYS[rows, tracks] == 0).all()
    assert all(len(set(row)) == N for row in lists.tracks.tolist())
    assert CAPS.is_kept(lists.tracks)[CAPS.is_kept(LISTS.tracks)].all()
    # each has something in common with what the user plays
    for row, track in zip(rows, tracks, strict=True):
        played = PLAYS[[row]].indices
        shared = INTERACTIONS.track_genres[played] @ INTERACTIONS.track_genres[[track]].T
        own = {INTERACTIONS.artists[track]} - {-1}
        assert shared.nnz or own & set(INTERACTIONS.artists[played])


def test_the_others_keep_their_order_scores_and_sources() -> None:
    lists = explorer().explore(LISTS, PLAYS, USERS)
    for user, explored in enumerate(is_explored(lists)):
        left = N - explored.sum()
        for name in ("tracks", "scores", "sources"):
            others = getattr(lists, name)[user][~explored]
            np.testing.assert_array_equal(others, getattr(LISTS, name)[user][:left])


def test_draws_depend_on_the_user_and_the_day_alone() -> None:
    lists = explorer().explore(LISTS, PLAYS, USERS)
    some = np.arange(7, 50)
    alone = explorer().explore(
        Lists(LISTS.tracks[some], LISTS.scores[some], LISTS.sources[some]), PLAYS[some], USERS[some]
    )
    np.testing.assert_array_equal(alone.tracks, lists.tracks[some])
    other = explorer(day=DAY + timedelta(days=1)).explore(LISTS, PLAYS, USERS)
    assert (other.tracks[:, -1] != lists.tracks[:, -1]).mean() > 0.5


def test_lists_are_left_as_they_are_where_nothing_is_to_be_explored() -> None:
    assert explorer(0).explore(LISTS, PLAYS, USERS) is LISTS
    ended = Lists(LISTS.tracks.copy(), LISTS.scores, LISTS.sources)
    ended.tracks[:, -1] = NO_TRACK
    known = learn_explorer(replace(INTERACTIONS, recommendable=LISTENERS >= 10), CAPS, 2, DAY)
    bare = replace(
        INTERACTIONS,
        artists=np.full(400, -1),
        albums=np.full(400, -1),
        track_genres=csr_array((400, 0), dtype=np.float32),
    )
    nothing = learn_explorer(bare, CAPS, 2, DAY)
    for lists, by in ((ended, explorer()), (LISTS, known), (LISTS, nothing)):
        np.testing.assert_array_equal(by.explore(lists, PLAYS, USERS).tracks, lists.tracks)
    none = Lists(LISTS.tracks[:0], LISTS.scores[:0], LISTS.sources[:0])
    assert explorer().explore(none, PLAYS[:0], USERS[:0]) is none


@pytest.mark.parametrize(
    ("explored", "days", "slots", "why"),
    [
        # upper bounds 0.004 and 0.006, of a quarter of 0.02
        (0.003, 7, 1, "less than the 2 configured: users play at most 0.40% of explored tracks"),
        (0.005, 7, 2, "as configured: users play at most 0.60% of explored tracks"),
        (0.003, 6, 2, "as configured: 6 of 7 days to judge by"),
    ],
)
def test_exploration_that_brings_far_less_than_its_neighbors_gets_one_place(
    trained: House, explored: float, days: int, slots: int, why: str
) -> None:
    connection = trained.connection
    connection.execute(
        "create table marts.rpt_exploration_lift (source_name text, for_date date,"
        " neighbor_conversion_rate float8, lift_upper float8)"
    )
    # another source, and days without an interval
    connection.execute(
        """
        insert into marts.rpt_exploration_lift
        select 'moovitamix', date '2026-02-01' + day, 0.02, %s + 0.001 - 0.02
        from generate_series(1, %s) as days (day)
        union all
        select 'other', date '2026-02-01' + day, 0.02, -0.02
        from generate_series(1, 9) as days (day)
        union all
        select 'moovitamix', date '2026-02-28', 0.02, null
        """,
        (explored, days),
    )
    trained.recommend()
    [(found, reason)] = trained.rows(
        "select exploration_slots, exploration_reason from recommendations.batches"
    )
    assert found == slots
    assert reason.startswith(why)
    assert decide_share(connection, "moovitamix", 0).slots == 0


def test_lists_of_the_day_explore_and_say_so(trained: House) -> None:
    trained.marts.add_tracks("Rock-new", "Rock-newer", genre="Rock")
    trained.marts.refresh(CUTOFF)
    report = trained.recommend()
    explored = trained.rows(
        """
        select distinct rank, track_id ~ '^Rock-new', score, model_version, because
        from recommendations.recommendations
        where source = 'exploration'
        order by rank
        """
    )
    assert explored == [(15, True, 0, None, None), (20, True, 0, None, None)]
    [(places, fans)] = trained.rows(
        """
        select count(*), count(*) filter (where user_id ~ '^Rock')
        from recommendations.recommendations
        where source = 'exploration'
        """
    )
    # of others, those of whom a play of Rock was drawn
    assert fans == 120
    assert report.counts["exploration"] == places
    assert trained.recommend().same_since
