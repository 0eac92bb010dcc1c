"""What a simulated world is made from: sizes, seed, first day and rates of change.

In: what a person or a test asks for. Out: a frozen, checked `WorldConfig`; two equal configs
make the same world on every day.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date

DEFAULT_START_DATE = date(2026, 1, 1)
LISTENS_PER_HISTORY = 20
"""Mean length of a history when no number of listens is given."""


@dataclass(frozen=True)
class Rates:
    """How much happens on one day.

    All but the last two are shares: of the records there are, unless said otherwise. A share
    of a small number is rounded up or down at random so that it is right on average; a share
    that gives a whole number gives exactly that.

    Attributes:
        user_changes: Users that change a name, e-mail, gender or taste.
        track_changes: Tracks that are renamed or get another genre, album or duration.
        new_users: Users that appear, relative to the users there are.
        new_tracks: Tracks that appear, relative to the tracks there are.
        removed_users: Users that disappear; half of them take their histories along.
        removed_tracks: Tracks that disappear; histories still name them.
        growing_histories: Histories that grow by 1 to 5 listens on a weekday.
        new_histories: Further history records for users who have one, relative to histories.
            Users that appear bring a first one whatever this says.
        late_users: Share of the users of tomorrow whose history is served today already.
        late_listens: Share of today's listens that name a track which appears tomorrow.
        weekend_factor: How much more histories grow on a Saturday or Sunday.
        noise: Standard deviation of the logarithm of a day's growth.
    """

    user_changes: float = 0.01
    track_changes: float = 0.005
    new_users: float = 0.002
    new_tracks: float = 0.003
    removed_users: float = 0.001
    removed_tracks: float = 0.001
    growing_histories: float = 0.15
    new_histories: float = 0.001
    late_users: float = 0.25
    late_listens: float = 0.005
    weekend_factor: float = 1.25
    noise: float = 0.04

    def __post_init__(self) -> None:
        """Refuses shares that are none."""
        for name in (item.name for item in fields(self)):
            value = getattr(self, name)
            highest = float("inf") if name in {"weekend_factor", "noise"} else 1.0
            if not 0 <= value <= highest:
                raise ValueError(f"{name} is {value}; it must be from 0 to {highest:g}.")

    @classmethod
    def steady(cls, share: float) -> Rates:
        """Days on which exactly this share of each endpoint's records changes, no more.

        Args:
            share: Share of users, tracks and histories, from 0 to 1.

        Returns:
            Rates without arrivals, removals, weekends or noise.
        """
        return cls(
            user_changes=share,
            track_changes=share,
            new_users=0,
            new_tracks=0,
            removed_users=0,
            removed_tracks=0,
            growing_histories=share,
            new_histories=0,
            late_users=0,
            late_listens=0,
            weekend_factor=1,
            noise=0,
        )


@dataclass(frozen=True)
class WorldConfig:
    """The world on its first day, and how it goes on.

    Attributes:
        users: Users on day 0.
        tracks: Tracks on day 0.
        histories: History records on day 0; one per user when None. Above the number of
            users, some users have several.
        listens: Listens on day 0, over all histories; 20 per history when None.
        seed: What makes this world another one than the next.
        start_date: Day 0 is the world as at midnight when this date begins.
        tastes: Whether users listen to what they like; without, everyone's listens follow
            the same popularity.
        rates: What happens from one day to the next.
    """

    users: int = 1000
    tracks: int = 1000
    histories: int | None = None
    listens: int | None = None
    seed: int = 1
    start_date: date = DEFAULT_START_DATE
    tastes: bool = True
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        """Refuses sizes that cannot be."""
        for name in ("users", "tracks", "histories", "listens", "seed"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}; it must not be negative.")
        if self.history_count and not self.users:
            raise ValueError("histories need users; ask for at least one user.")
        if self.listen_count and not (self.history_count and self.tracks):
            raise ValueError("listens need histories and tracks; ask for at least one of each.")

    @property
    def history_count(self) -> int:
        """History records on day 0."""
        return self.users if self.histories is None else self.histories

    @property
    def listen_count(self) -> int:
        """Listens on day 0."""
        if self.listens is not None:
            return self.listens
        return LISTENS_PER_HISTORY * self.history_count if self.tracks else 0
