"""Lists that are not one artist's: how many tracks of an artist may stand in one.

In: candidates, best first, and the artist of each track. Out: the best of them that keep the caps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.models import NO_TRACK, Flags, Tracks, first_free

TOP = 10
"""Places that people see first; these have a cap of their own."""

CANDIDATES = 100
"""Tracks that a list is chosen from, at least."""

NO_ARTIST = -1

_NOBODY = np.iinfo(np.int64).min


@dataclass(frozen=True)
class ArtistCaps:
    """How many tracks of an artist a list holds, at most.

    Attributes:
        artists: A number for the artist of each track, `NO_ARTIST` where none is known: such a
            track is capped by nothing (n_tracks).
        in_top: Tracks of an artist among the first `TOP`; 0 for no cap.
        in_list: Tracks of an artist in the list; 0 for no cap.
    """

    artists: NDArray[np.int64]
    in_top: int
    in_list: int

    def choose(self, candidates: Tracks, n: int) -> NDArray[np.int64]:
        """Chooses greedily, which costs the least score: the best that is still allowed is next.

        Args:
            candidates: Columns of tracks, best first, filled with `NO_TRACK` (u, c).
            n: Length of the lists.

        Returns:
            Places among the candidates (u, n), -1 where none is allowed any more.
        """
        artists = self._artists_of(candidates)
        is_out = candidates == NO_TRACK
        top = min(n, TOP)
        first = first_free(is_out | (_occurrences(artists, ~is_out) >= _cap(self.in_top)), top)
        is_first = np.zeros_like(is_out)
        rows, places = np.nonzero(first >= 0)
        is_first[rows, first[rows, places]] = True
        # those in the top count first, then the others in their order
        order = np.argsort(~is_first, axis=1, kind="stable")
        ordered = np.take_along_axis(artists, order, axis=1)
        within = np.take_along_axis(~is_out, order, axis=1)
        counts = np.empty_like(order)
        np.put_along_axis(counts, order, _occurrences(ordered, within), axis=1)
        rest = first_free(is_out | is_first | (counts >= _cap(self.in_list)), n - top)
        return _closed(np.concatenate([first, rest], axis=1))

    def is_kept(self, tracks: Tracks) -> Flags:
        """Whether each list keeps the caps (u)."""
        artists, is_listed = self._artists_of(tracks), tracks != NO_TRACK
        place = np.arange(tracks.shape[1])
        counts = _occurrences(artists, is_listed)
        is_over = (counts >= _cap(self.in_top)) & (place < TOP)
        is_over |= counts >= _cap(self.in_list)
        is_kept: Flags = ~(is_over & is_listed).any(axis=1)
        return is_kept

    def count_artists(self, tracks: Tracks) -> NDArray[np.int64]:
        """How many different artists each list has (u)."""
        ordered = np.sort(np.where(tracks == NO_TRACK, _NOBODY, self._artists_of(tracks)), axis=1)
        is_new = ordered != _NOBODY
        is_new[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
        counts: NDArray[np.int64] = is_new.sum(axis=1)
        return counts

    def _artists_of(self, tracks: Tracks) -> NDArray[np.int64]:
        """The artist of each track, a number of its own where none is known."""
        artists = self.artists[tracks]
        return np.where((artists == NO_ARTIST) | (tracks == NO_TRACK), -2 - tracks, artists)


def _cap(count: int) -> int:
    return count or np.iinfo(np.int64).max


def _occurrences(values: NDArray[np.int64], is_counted: Flags) -> NDArray[np.int64]:
    """How often each value stood in its row before, among those that are counted (u, c)."""
    order = np.lexsort((np.broadcast_to(np.arange(values.shape[1]), values.shape), values), axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    counted = np.take_along_axis(is_counted, order, axis=1)
    before: NDArray[np.int64] = np.cumsum(counted, axis=1) - counted
    is_new = np.ones_like(counted)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # what was counted before a value began, carried along its places
    start = np.maximum.accumulate(np.where(is_new, before, 0), axis=1)
    occurrences: NDArray[np.int64] = np.empty_like(before)
    np.put_along_axis(occurrences, order, before - start, axis=1)
    return occurrences


def _closed(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Moves the places that are taken to the front of each row."""
    order = np.argsort(places < 0, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)
