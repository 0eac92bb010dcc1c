"""A scripted API, and a warehouse to load it into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ingestion.crawl.pages import HttpCounters
from ingestion.landing.load import LoadReport, load
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


class Landing:
    """Loads the scripted API, and reads what landed."""

    def __init__(self, settings: Settings, connection: psycopg.Connection) -> None:
        self.settings = settings
        self.connection = connection
        self.http = HttpCounters()

    def load(self, *, accept_shrink: bool = False) -> LoadReport:
        """Runs one load; its requests are counted in `http`."""
        self.http = HttpCounters()
        with hold_run_lock(self.settings) as lock:
            return load(self.settings, lock, accept_shrink=accept_shrink, http=self.http)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()

    def tables(self) -> set[str]:
        """Every table of the database, with its schema, but that of the run's lock."""
        return {
            f"{schema}.{table}"
            for schema, table in self.rows(
                "select schemaname, tablename from pg_tables "
                "where schemaname not in ('pg_catalog', 'information_schema')"
                " and tablename <> 'run_lock'"
            )
        }


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API with 250 users, 30 tracks and 3 histories."""
    scripted = ScriptedApi()
    scripted.records = {
        "users": [user(number) for number in range(1, 251)],
        "tracks": [track(number) for number in range(1, 31)],
        "listen_history": [history(1, [1, 2, 1]), history(2, [3]), history(3, [])],
    }
    with serve(scripted):
        yield scripted


@pytest.fixture
def landing(settings: Settings, connection: psycopg.Connection, api: ScriptedApi) -> Landing:
    """Landing of the scripted API in an empty database."""
    return Landing(settings.but(external_api_url=api.url), connection)
