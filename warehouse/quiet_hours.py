"""Hours of the day in which people are left in peace.

In: two hours and a time zone, as settings hold them. Out: whether a moment lies in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from warehouse.errors import SettingsError


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


def read_quiet_hours(hours: str | None, zone: str | None) -> QuietHours | None:
    """Reads the quiet hours from their settings.

    Args:
        hours: The first hour and the one that ends them, such as `22-7`; None for none.
        zone: Name of the time zone; None for UTC.

    Raises:
        SettingsError: Either cannot be used.
    """
    try:
        clock = ZoneInfo(zone or "UTC")
    # names that are paths, or of a folder of the database, are other errors
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f"LISTENHOUSE_ALERTS_TIME_ZONE is {zone!r}; it must be a name of the IANA time zone "
            "database, such as Europe/Berlin."
        ) from None
    if hours is None:
        return None
    span = re.fullmatch(r"([01]?[0-9]|2[0-4])\s*-\s*([01]?[0-9]|2[0-4])", hours, re.ASCII)
    start, end = (int(hour) % 24 for hour in span.groups()) if span else (0, 0)
    if start == end:
        raise SettingsError(
            f"LISTENHOUSE_ALERTS_QUIET_HOURS is {hours!r}; it must be two different hours of the "
            "day, such as 22-7."
        )
    return QuietHours(start, end, clock)
