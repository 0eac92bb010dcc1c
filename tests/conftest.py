"""What every test can have: a real PostgreSQL, an empty database on it, settings for both."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from psycopg import sql

from operations.services import embedded_postgres
from warehouse.settings import Settings

if TYPE_CHECKING:
    from tests.dbt_project.warehouse_build import Warehouse

# says last what did not run for want of a program
pytest_plugins = ["tests.programs"]

LONGEST = (
    "drills",
    "tests/docs/test_commands.py",
    "tests/dbt_project/test_history_of_crawls.py",
    "tests/operations/test_daily_run.py",
    "tests/dbt_project/test_findings.py",
    "tests/dbt_project/test_incremental_builds.py",
    "tests/ingestion/test_landing.py",
    "tests/mutation/test_judge.py",
    "tests/monitoring/test_listening_page.py",
    "tests/dbt_project/test_audit.py",
    "tests/operations/test_forget.py",
    "lake",
    "tests/dbt_project/test_boundary.py",
    "tests/monitoring/metrics/test_prometheus_metrics.py",
    "tests/warehouse/test_run_log.py",
    "tests/dbt_project/test_withdrawal.py",
    "tests/dbt_project/test_second_source.py",
    "tests/containers/test_compose.py",
    "tests/recommender/test_retrain.py",
    "tests/operations/test_backup.py",
    "tests/dbt_project/test_unit_tests.py",
    "tests/dbt_project/test_as_of.py",
    "tests/monitoring/test_health_page.py",
    "tests/monitoring/alerts/test_command.py",
)
"""Groups of tests that take longest: they come first, so that no worker is left alone with one.

Two that need the same template are not neighbours: one worker would wait while the other builds it.
"""

DATABASE = "test"
"""The name of a test's database, which those of its roles begin with."""


_BYTES_PER_OBJECT = 165
"""Of memory, for each object that dbt leaves behind in a circle."""


def pytest_collection_finish() -> None:
    """Leaves what lives as long as the run to itself, and looks for garbage when memory gets short.

    A build leaves a million objects behind, and finding them takes an eighth of its time. Three
    workers share half of what memory there is.
    """
    gc.freeze()
    gc.set_threshold(psutil.virtual_memory().available // (2 * 3 * _BYTES_PER_OBJECT))


def pytest_sessionfinish() -> None:
    """Leaves the last garbage to the end of the process: pytest would look for it five times."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves tests of a file, or of what it shares with others, to one worker (loadgroup)."""
    ranks = {}
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        group = mark.args[0] if mark else item.nodeid.partition("::")[0]
        if mark is None:
            item.add_marker(pytest.mark.xdist_group(group))
        ranks[item] = LONGEST.index(group) if group in LONGEST else len(LONGEST)
    items.sort(key=ranks.__getitem__)


def free_port() -> int:
    """A TCP port that nobody uses now, and that no outgoing connection is given."""
    while True:
        # Linux gives outgoing connections the ports from 32768 on
        port = random.randrange(20_000, 32_000)  # noqa: S311 (no secret)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def empty_database(server: str, name: str = DATABASE) -> Iterator[str]:
    """A database that exists while the block runs.

    Args:
        server: URL of the server, without a database.
        name: Its name.

    Yields:
        Its URL.
    """
    with _database(server, name, "template1") as url:
        yield url


@contextmanager
def copied_database(url: str, name: str) -> Iterator[str]:
    """A copy of a database, which exists while the block runs.

    Args:
        url: URL of the original; nobody may be connected to it.
        name: The copy's name.

    Yields:
        The copy's URL.
    """
    server, _, original = url.rpartition("/")
    with _database(server, name, original) as copy:
        yield copy


@contextmanager
def _database(server: str, name: str, template: str) -> Iterator[str]:
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        # copied as files: what would be lost in a crash is of no interest here
        connection.execute(
            sql.SQL("create database {name} template {template} strategy file_copy").format(**names)
        )
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(sql.SQL("drop database {name} with (force)").format(**names))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """A developer's own settings must not reach a test, nor what it shares with others."""
    for name in [name for name in os.environ if name.startswith("LISTENHOUSE_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded server; yields its URL without a database."""
    settings = Settings(home=tmp_path_factory.mktemp("server"), embedded_port=free_port())
    # what a crash of the machine would lose is of no interest here
    unsafe = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    embedded_postgres.start(settings, unsafe)
    yield settings.database_url.rsplit("/", 1)[0]
    embedded_postgres.stop(settings)


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own."""
    with empty_database(postgres_server) as url:
        yield url


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the test's database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings for the test's database; no API yet."""
    return Settings(
        home=tmp_path / "home",
        external_database_url=database_url,
        external_api_url=f"http://127.0.0.1:{free_port()}",
        crawl_threads=4,
        request_timeout_seconds=5,
        request_attempts=3,
    )


@pytest.fixture(scope="session")
def watched(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The warehouse of `watched_warehouse`: for the pages, and for who reads about them."""
    # imports from here
    from tests.monitoring.conftest import watched_warehouse  # noqa: PLC0415

    with watched_warehouse(postgres_server, tmp_path_factory.mktemp("watched")) as warehouse:
        yield warehouse
