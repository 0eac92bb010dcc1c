"""A month or a year.

In: `2026` or `2026-11`. Out: its days and its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_DECEMBER = 12


@dataclass(frozen=True)
class Period:
    """A calendar month or year.

    Attributes:
        first_day: Its first day.
        end: The day after its last.
    """

    first_day: date
    end: date

    @property
    def is_year(self) -> bool:
        """Whether it is a year."""
        return self.end.year > self.first_day.year and self.first_day.month == 1 == self.end.month

    @property
    def name(self) -> str:
        """What people call it: `November 2026`, `2026`."""
        return f"{self.first_day:%Y}" if self.is_year else f"{self.first_day:%B %Y}"


def month_of(day: date) -> Period:
    """The month of a day."""
    first = day.replace(day=1)
    after = (day.year + 1, 1) if day.month == _DECEMBER else (day.year, day.month + 1)
    return Period(first, date(*after, 1))


def parse_period(text: str) -> Period:
    """The period that a text names.

    Raises:
        ValueError: It names none; says what does.
    """
    found = re.fullmatch(r"(\d{4})(?:-(\d{2}))?", text)
    try:
        if found is None:
            raise ValueError
        year, month = int(found[1]), found[2]
        return month_of(date(year, int(month), 1)) if month else Period(*_year(year))
    except ValueError:
        raise ValueError(f"{text} is not a year or a month: write it as 2026 or 2026-11.") from None


def _year(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year + 1, 1, 1)
