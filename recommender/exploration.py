"""A few places of each list for tracks that hardly anybody has played yet.

In: lists, plays, and the artist, album and genres of each track. Out: the same lists, with a few of
their lower places given to such tracks. A model of listens cannot name a track that nobody has
listened to; what these places bring tells more about such tracks than any model can.

Tracks are drawn, not scored: of what the user plays, a play is drawn, and of the little-known
tracks of its album, artist or a genre, one. That takes a few draws per user, whatever the number of
tracks. The draws depend on the user and the day alone, so lists made again are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zlib import crc32

import numpy as np
import psycopg
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.artist_caps import NO_ARTIST, TOP, ArtistCaps
from recommender.fallback import EXPLORATION, SOURCES, Lists
from recommender.interactions import Interactions
from recommender.models import NO_TRACK, Flags, Tracks, first_free

FEW_LISTENERS = 10
"""Tracks with fewer listeners are explored."""

_DRAWS = 12
"""Plays of a user that are drawn; each proposes a track of its album, its artist and a genre."""

JUDGED_DAYS = 14
"""The last days with an outcome, by which exploration is judged."""

ENOUGH_DAYS = 7
"""With fewer there is no judging."""

FAR_BELOW = 0.25
"""Exploration costs too much where it certainly brings less than this share of the neighbors."""


@dataclass(frozen=True)
class Share:
    """How much of a list explores.

    Attributes:
        slots: Places of each list, at most.
        reason: Why so many, in a sentence.
    """

    slots: int
    reason: str


def decide_share(connection: psycopg.Connection, source_name: str, configured: int) -> Share:
    """Gives exploration one place where it brings far less than the places beside it do.

    Of the last days, the upper bounds of their intervals are averaged, which is careful: a mean of
    days varies less than a day does. One place is left, so that it is seen when it is worth more.

    Args:
        connection: Connection that may read the marts.
        source_name: Which source.
        configured: How many places the settings allow.
    """
    row = connection.execute("select to_regclass('marts.rpt_exploration_lift')").fetchone()
    if configured <= 1 or not row or row[0] is None:
        return Share(configured, "as configured")
    [(days, upper, beside)] = connection.execute(
        """
        select count(*), avg(neighbor_conversion_rate + lift_upper), avg(neighbor_conversion_rate)
        from (
            select neighbor_conversion_rate, lift_upper
            from marts.rpt_exploration_lift
            where source_name = %s and lift_upper is not null
            order by for_date desc
            limit %s
        ) as days
        """,
        (source_name, JUDGED_DAYS),
    ).fetchall()
    if days < ENOUGH_DAYS:
        return Share(configured, f"as configured: {days} of {ENOUGH_DAYS} days to judge by")
    told = f"users play at most {upper:.2%} of explored tracks, {beside:.2%} of those beside them"
    if upper < FAR_BELOW * beside:
        return Share(1, f"less than the {configured} configured: {told}")
    return Share(configured, f"as configured: {told}")


@dataclass(frozen=True)
class _Groups:
    """Little-known tracks by what they have in common.

    Attributes:
        of_tracks: The groups of each track, 1 each (n_tracks, n_groups).
        members: The little-known tracks of each group (n_groups, n_tracks).
    """

    of_tracks: csr_array
    members: csr_array

    def propose(self, played: Tracks, chances: NDArray[np.float64]) -> Tracks:
        """Draws a little-known track that has a group in common with each played track.

        Args:
            played: Columns of tracks, filled with `NO_TRACK`.
            chances: Two chances from 0 to 1 for each: one for the group, one for the member.

        Returns:
            Columns of tracks, `NO_TRACK` where there is none.
        """
        group = _drawn(self.of_tracks, played, chances[..., 0])
        return _drawn(self.members, group, chances[..., 1])


@dataclass(frozen=True)
class Explorer:
    """Gives places of lists to little-known tracks.

    Attributes:
        slots: How many places of a list.
        kinds: Groups of tracks, the closest kind first.
        caps: How many tracks of an artist a list holds.
        day: The day that the lists are for.
    """

    slots: int
    kinds: tuple[_Groups, ...]
    caps: ArtistCaps
    day: date

    def explore(self, lists: Lists, plays: csr_array, user_ids: NDArray[np.object_]) -> Lists:
        """Moves little-known tracks into lists, and the last of the others out.

        Lists that end early are left as they are: they have all that there is. So are those of
        users with nothing played, of whom there is nothing to go by.

        Args:
            lists: Lists of some users, in full (u, n).
            plays: Current plays of these users (u, n_tracks).
            user_ids: Their ids (u).

        Returns:
            The lists with their places for exploration; the score of these is 0.
        """
        tracks, n = lists.tracks, lists.tracks.shape[1]
        if not self.slots or not len(tracks):
            return lists
        proposals = self._proposals(plays, user_ids)
        proposals[tracks[:, -1] == NO_TRACK] = NO_TRACK
        is_allowed = self._is_allowed(proposals, tracks[:, : n - self.slots], plays)
        found = first_free(~is_allowed, self.slots)
        # where fewer are found than there are places, the last places are theirs
        found = found[:, ::-1]
        explored = np.where(
            found < 0, NO_TRACK, np.take_along_axis(proposals, np.maximum(found, 0), axis=1)
        )
        placed = np.full_like(tracks, NO_TRACK)
        placed[:, exploration_ranks(self.slots, n) - 1] = explored
        is_explored = placed != NO_TRACK
        places = np.maximum(np.cumsum(~is_explored, axis=1) - 1, 0)
        return Lists(
            np.where(is_explored, placed, np.take_along_axis(tracks, places, axis=1)),
            np.where(is_explored, 0, np.take_along_axis(lists.scores, places, axis=1)),
            np.where(
                is_explored,
                np.int8(SOURCES.index(EXPLORATION)),
                np.take_along_axis(lists.sources, places, axis=1),
            ),
        )

    def _proposals(self, plays: csr_array, user_ids: NDArray[np.object_]) -> Tracks:
        """Tracks for each user, of the closest kind first; any number of them twice."""
        users = np.broadcast_to(np.arange(len(user_ids))[:, None], (len(user_ids), _DRAWS))
        chances = np.stack([self._chances(user_id) for user_id in user_ids])
        played = _drawn(plays, users, chances[:, :, 0])
        return np.concatenate(
            [
                kind.propose(played, chances[:, :, 1 + 2 * place : 3 + 2 * place])
                for place, kind in enumerate(self.kinds)
            ],
            axis=1,
        )

    def _chances(self, user_id: str) -> NDArray[np.float64]:
        """The chances of a user on the day."""
        generator = np.random.default_rng([self.day.toordinal(), crc32(user_id.encode())])
        return generator.random((_DRAWS, 1 + 2 * len(self.kinds)))

    def _is_allowed(self, proposals: Tracks, kept: Tracks, plays: csr_array) -> Flags:
        """Which proposals are unheard, not listed, of an artist with room, and the first such."""
        is_allowed: Flags = proposals != NO_TRACK
        heard = csr_array((np.ones(plays.nnz, np.int8), plays.indices, plays.indptr), plays.shape)
        rows, columns = np.nonzero(is_allowed)
        if not len(rows):
            return is_allowed
        is_allowed[rows, columns] = heard[rows, proposals[rows, columns]] == 0
        is_allowed &= ~(proposals[:, :, None] == kept[:, None, :]).any(axis=2)
        artists = self._artists_of(proposals)
        if self.caps.in_list:
            same = (artists[:, :, None] == self._artists_of(kept)[:, None, :]).sum(axis=2)
            is_allowed &= same < self.caps.in_list
        # one track of each artist: exploring is for variety, and so keeps the caps
        for place in range(1, proposals.shape[1]):
            is_again = (artists[:, :place] == artists[:, place : place + 1]) & is_allowed[:, :place]
            is_allowed[:, place] &= ~is_again.any(axis=1)
        return is_allowed

    def _artists_of(self, tracks: Tracks) -> NDArray[np.int64]:
        """The artist of each track, a number of its own where none is known."""
        artists = self.caps.artists[tracks]
        own: NDArray[np.int64] = np.where(
            (artists == NO_ARTIST) | (tracks == NO_TRACK), -2 - tracks, artists
        )
        return own


def learn_explorer(interactions: Interactions, caps: ArtistCaps, slots: int, day: date) -> Explorer:
    """Groups the little-known tracks by album, artist and genre.

    Args:
        interactions: Plays, and what is known of the tracks.
        caps: How many tracks of an artist a list holds.
        slots: How many places of a list are for exploration; 0 for none.
        day: The day that the lists are for.
    """
    plays = interactions.plays
    listeners = np.bincount(plays.indices, minlength=plays.shape[1])
    is_explored = interactions.recommendable & (listeners < FEW_LISTENERS)
    kinds = (
        _indicators(interactions.albums),
        _indicators(interactions.artists),
        interactions.track_genres,
    )
    return Explorer(
        slots, tuple(_Groups(kind, _members(kind, is_explored)) for kind in kinds), caps, day
    )


def exploration_ranks(slots: int, length: int) -> NDArray[np.int64]:
    """Ranks that are for exploration: evenly spread behind those that people see first."""
    top = min(TOP, length - slots)
    ranks: NDArray[np.int64] = top + -(-(length - top) * np.arange(1, slots + 1) // max(slots, 1))
    return ranks


def _indicators(numbers: NDArray[np.int64]) -> csr_array:
    """1 in the column of each row's number; none where it is -1."""
    rows = np.flatnonzero(numbers >= 0)
    shape = (len(numbers), int(numbers.max(initial=-1)) + 1)
    return csr_array((np.ones(len(rows), np.float32), (rows, numbers[rows])), shape=shape)


def _members(groups: csr_array, is_member: Flags) -> csr_array:
    """The tracks of each group that are members."""
    rows, columns = groups.nonzero()
    rows, columns = rows[is_member[rows]], columns[is_member[rows]]
    shape = (groups.shape[1], groups.shape[0])
    return csr_array((np.ones(len(rows), np.float32), (columns, rows)), shape=shape)


def _drawn(choices: csr_array, rows: NDArray[np.integer], chances: NDArray[np.float64]) -> Tracks:
    """Draws a column of each row, each with the same chance; `NO_TRACK` of an empty row or none."""
    counts = np.where(rows < 0, 0, np.diff(choices.indptr)[rows] if choices.shape[0] else 0)
    places = np.where(rows < 0, 0, choices.indptr[rows]) + (chances * counts).astype(np.int64)
    if not choices.nnz:
        return np.full(rows.shape, NO_TRACK, np.int32)
    drawn = choices.indices[np.minimum(places, choices.nnz - 1)]
    return np.where(counts > 0, drawn, NO_TRACK).astype(np.int32)
