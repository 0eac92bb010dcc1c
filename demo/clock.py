"""The time of this process and of PostgreSQL, a day ahead whenever one is over.

In: how long ago it all began. Out: a clock to set. This process's is set by time-machine, that of
PostgreSQL from outside, by libfaketime.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import libfaketime
import psycopg
import time_machine

from ingestion.landing.crawl_ledger import server_time
from operations.services import embedded_postgres
from warehouse.errors import EmbeddedPostgresError
from warehouse.settings import Settings


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
        """Starts the embedded server with a clock that can be set.

        Args:
            settings: Data directory and port.

        Raises:
            EmbeddedPostgresError: It cannot be started, or goes by the clock of the machine.
        """
        self.file.write_text(f"-{self.days_ago}d")
        # what waits and measures goes on as it is
        _, variables = libfaketime.get_reload_information()
        clock = variables | {"FAKETIME_TIMESTAMP_FILE": str(self.file)}
        with mock.patch.dict(os.environ, clock):
            embedded_postgres.start(settings)
        with psycopg.connect(settings.database_url) as connection:
            ahead = server_time(connection) - datetime.now(UTC)
        if self.days_ago and ahead > timedelta(days=-self.days_ago / 2):
            embedded_postgres.stop(settings)
            raise EmbeddedPostgresError(
                "PostgreSQL does not follow the clock of the demo: the installed libfaketime is "
                "not made for this machine. Make it here, for which a C compiler is needed: `pip "
                "install --force-reinstall --no-deps --no-binary libfaketime libfaketime`."
            )

    @contextmanager
    def set_to(self, day: int) -> Iterator[None]:
        """A day, counted from 0, while the block runs."""
        ahead = day - self.days_ago
        self.file.write_text(f"{ahead:+}d")
        with time_machine.travel(datetime.now(UTC) + timedelta(days=ahead)):
            yield
