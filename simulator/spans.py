"""The simulated calendar: when a day is seen, and the time that leads up to it.

In: a config and a day. Out: the moment at which the day is seen, and spans to draw moments from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from simulator.config import WorldConfig

DAY_MICROSECONDS = 86_400_000_000
YEAR_MICROSECONDS = 365 * DAY_MICROSECONDS


@dataclass(frozen=True)
class Span:
    """The time that leads up to a day.

    Attributes:
        day: Days since the first.
        end: The moment at which the day is seen.
        microseconds: How long before that the span begins.
    """

    day: int
    end: np.datetime64
    microseconds: int


def clock(config: WorldConfig, day: int) -> np.datetime64:
    """The moment at which a day is seen: midnight (UTC) at the start of its date."""
    return np.datetime64(config.start_date, "us") + np.timedelta64(day, "D")


def year_before(config: WorldConfig, day: int) -> Span:
    """The year that ends with a day's clock."""
    return Span(day, clock(config, day), YEAR_MICROSECONDS)


def day_before(config: WorldConfig, day: int) -> Span:
    """What is lived between yesterday's clock and a day's."""
    return Span(day, clock(config, day), DAY_MICROSECONDS)


def date_lived(config: WorldConfig, day: int) -> date:
    """The date that is lived between yesterday's clock and a day's."""
    return config.start_date + timedelta(days=day - 1)
