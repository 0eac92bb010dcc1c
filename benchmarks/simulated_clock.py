"""The time of this process and of PostgreSQL, a day ahead whenever one is over.

In: how long ago it all began. Out: a clock to set. Needs libfaketime (Debian and Ubuntu:
`apt-get install faketime`), as PostgreSQL's is set from outside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import time_machine

from operations.services import embedded_postgres
from warehouse.settings import Settings

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass
class Clock:
    """The time of this process and of PostgreSQL.

    Attributes:
        file: What libfaketime reads the server's time from.
        days_ago: How long ago day 0 was.
    """

    file: Path
    days_ago: int

    def start_postgres(self, settings: Settings) -> None:
        """Starts the embedded server with a clock that can be set; exits without libfaketime."""
        if not LIBRARY.exists():
            sys.exit(f"{LIBRARY} is missing: install it with `apt-get install faketime`.")
        self.file.write_text(f"-{self.days_ago}d")
        clock = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            # what waits and measures goes on as it is
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with mock.patch.dict(os.environ, clock):
            embedded_postgres.start(settings)

    @contextmanager
    def set_to(self, day: int) -> Iterator[None]:
        """A day, counted from 0, while the block runs."""
        ahead = day - self.days_ago
        self.file.write_text(f"{ahead:+}d")
        with time_machine.travel(datetime.now(UTC) + timedelta(days=ahead)):
            yield
