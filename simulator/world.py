"""A world on one day: what the API serves, and what is behind it.

In: a config and a day. Out: the pages of the three endpoints as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import msgspec

from simulator.config import WorldConfig
from simulator.contract import DEFAULT_SIZE
from simulator.encoding import Endpoint, Records, encode
from simulator.evolution import next_day
from simulator.genesis import first_day
from simulator.tables import State


@dataclass(frozen=True)
class World:
    """One day of a simulated world, never changed once made.

    Attributes:
        config: What the world is made from.
        state: The columns of the day, including what is not served.
        records: The records of each endpoint as JSON, in the order of serving.
    """

    config: WorldConfig
    state: State
    records: Records

    @classmethod
    def at(cls, day: int = 0, config: WorldConfig | None = None) -> World:
        """Makes the world of a day: day 0, evolved `day` times.

        Args:
            day: Days since the config's start date.
            config: Sizes, seed and rates; the defaults when None.

        Returns:
            The same world, byte by byte, for the same arguments.

        Raises:
            ValueError: The day is negative.
        """
        if day < 0:
            raise ValueError(f"day is {day}; it must not be negative.")
        config = config or WorldConfig()
        state = first_day(config)
        for _ in range(day):
            state = next_day(state, config)
        return cls(config, state, encode(state))

    def advance(self) -> World:
        """The next day, equal to `World.at(day + 1, config)` and faster to get to."""
        state = next_day(self.state, self.config)
        return World(self.config, state, encode(state, (self.state, self.records)))

    @property
    def day(self) -> int:
        """Days since the config's start date."""
        return self.state.day

    @property
    def clock(self) -> datetime:
        """The moment (UTC, naive) at which the world is seen; no timestamp is later."""
        start = datetime.combine(self.config.start_date, time())
        return start + timedelta(days=self.day)

    def total(self, endpoint: Endpoint) -> int:
        """Number of records of an endpoint."""
        return len(self.records[endpoint])

    def page(self, endpoint: Endpoint, page: int = 1, size: int = DEFAULT_SIZE) -> bytes:
        """A page as the API answers it.

        Args:
            endpoint: Which records.
            page: From 1; past the end the page has no items.
            size: Records per page.

        Returns:
            The JSON envelope with the records in it.
        """
        records = self.records[endpoint]
        items = b",".join(records[(page - 1) * size : page * size])
        total = len(records)
        return b'{"items":[%b],"total":%d,"page":%d,"size":%d,"pages":%d}' % (
            items,
            total,
            page,
            size,
            -(-total // size),
        )

    def rows(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        """All records of an endpoint, decoded."""
        return [msgspec.json.decode(record) for record in self.records[endpoint]]
