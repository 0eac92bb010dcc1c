"""Hours of the day in which people are left in peace.

In: two hours and a time zone, as settings hold them. Out: whether a moment lies in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True)
class QuietHours:
    """A span of every day.

    Attributes:
        start: First hour of it, 0 to 23.
        end: Hour that ends it, 0 to 23; less than `start` where midnight lies in between.
        zone: Whose clock.
    """

    start: int
    end: int
    zone: ZoneInfo

    def cover(self, moment: datetime) -> bool:
        """Whether a moment lies in them.

        Args:
            moment: With a time zone, whichever.
        """
        hour = moment.astimezone(self.zone).hour
        if self.start < self.end:
            return self.start <= hour < self.end
        return hour >= self.start or hour < self.end

    def __str__(self) -> str:
        return f"{self.start}:00 to {self.end}:00 {self.zone.key}"


def parse_hours(written: str | tuple[int, int]) -> tuple[int, int]:
    """The first hour and the one that ends them, 0 to 23.

    Args:
        written: Such as `22-7`, or apart already.

    Raises:
        ValueError: They are no two different hours.
    """
    if not isinstance(written, str):
        return written
    span = re.fullmatch(r"([01]?[0-9]|2[0-4])\s*-\s*([01]?[0-9]|2[0-4])", written, re.ASCII)
    start, end = (int(hour) % 24 for hour in span.groups()) if span else (0, 0)
    if start == end:
        raise ValueError(
            f"is {written!r}; it must be two different hours of the day, such as 22-7."
        )
    return start, end


def parse_zone(name: str | ZoneInfo) -> ZoneInfo:
    """The time zone of a name.

    Raises:
        ValueError: There is none.
    """
    try:
        return ZoneInfo(str(name))
    # names that are paths, or of a folder of the database, are other errors
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"is {name!r}; it must be a name of the IANA time zone database, such as Europe/Berlin."
        ) from None
