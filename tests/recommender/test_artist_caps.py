"""How many tracks of an artist a list holds, by itself and in lists as they are served."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommender.artist_caps import NO_ARTIST, ArtistCaps
from recommender.fallback import learn_fallback, recommend_lists
from recommender.models import NO_TRACK
from recommender.panel import PANEL
from recommender.split import caps_of
from tests.recommender.listeners import make_listens
from warehouse.settings import ListRules

INTERACTIONS, _ = make_listens()
# a fifth of the tracks has no artist that anybody knows
ARTISTS = np.where(np.arange(150) % 5, np.arange(150) // 7, NO_ARTIST)
BY_ARTIST = replace(INTERACTIONS, artists=ARTISTS)


def chosen_by_hand(
    candidates: list[int], artists: list[int], n: int, caps: tuple[int, int]
) -> list[int]:
    """Places of what a person would take, one after the other."""
    taken: list[int] = []
    for place in range(n):
        for number, track in enumerate(candidates):
            artist = artists[track]
            same = [one for one in taken if artists[candidates[one]] == artist != NO_ARTIST]
            cap = caps[0] if place < 10 else caps[1]
            if track != NO_TRACK and number not in taken and (not cap or len(same) < cap):
                taken.append(number)
                break
        else:
            # nothing is left for the top: what follows has the cap of the list
            continue
    return taken


@pytest.mark.parametrize("caps", [(2, 3), (1, 1), (1, 4), (0, 3), (2, 0), (0, 0)])
def test_the_best_that_is_allowed_is_taken_next(caps: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    artists = np.where(generator.random(60) < 0.1, NO_ARTIST, generator.integers(9, size=60))
    candidates = np.array([generator.permutation(60)[:40] for _ in range(50)], np.int32)
    candidates[:10, 25:] = NO_TRACK
    candidates[10] = NO_TRACK
    places = ArtistCaps(artists, *caps).choose(candidates, 20)
    for row, listed in zip(places, candidates, strict=True):
        expected = chosen_by_hand(listed.tolist(), artists.tolist(), 20, caps)
        assert row[row >= 0].tolist() == expected
        assert (row[len(expected) :] == -1).all()


def test_lists_keep_the_caps_and_cost_the_least_score() -> None:
    caps = caps_of(BY_ARTIST, ListRules())
    model = PANEL[2].fit(INTERACTIONS.plays, 1)
    lists, free = (
        recommend_lists(
            model,
            learn_fallback(
                INTERACTIONS.plays, INTERACTIONS.user_genres, INTERACTIONS.recommendable, one
            ),
            INTERACTIONS.plays,
            INTERACTIONS.user_genres,
            20,
        )
        for one in (caps, replace(caps, in_top=0, in_list=0))
    )
    assert (lists.tracks != NO_TRACK).all()
    assert caps.is_kept(lists.tracks).all()
    assert not caps.is_kept(free.tracks).all()
    for tracks in lists.tracks:
        assert len(set(tracks)) == 20
        assert max(Counter(ARTISTS[tracks[:10]][ARTISTS[tracks[:10]] >= 0]).values()) <= 2
        assert max(Counter(ARTISTS[tracks][ARTISTS[tracks] >= 0]).values()) <= 3
    # who is capped by nothing keeps the list
    same = caps.is_kept(free.tracks)
    np.testing.assert_array_equal(lists.tracks[same], free.tracks[same])


def test_a_catalogue_of_few_artists_makes_full_lists_all_the_same() -> None:
    caps = ArtistCaps(np.arange(150) % 4, 2, 3)
    fallback = learn_fallback(
        INTERACTIONS.plays, INTERACTIONS.user_genres, INTERACTIONS.recommendable, caps
    )
    nobody = csr_array((1, 150), dtype=np.float32)
    none = csr_array((1, 6), dtype=np.float32)
    (tracks,) = recommend_lists(
        PANEL[0].fit(INTERACTIONS.plays, 1), fallback, nobody, none, 20
    ).tracks
    assert len(set(tracks) - {NO_TRACK}) == 20
    # as far as it goes
    assert Counter((tracks[:8] % 4).tolist()) == dict.fromkeys(range(4), 2)
