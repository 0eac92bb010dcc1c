"""A fresh database with an empty landing schema, and dbt pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import DATABASE, copied_database, empty_database
from tests.dbt_project.artifacts import Manifest
from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from tests.templates import template


@pytest.fixture
def warehouse(database_url: str, tmp_path: Path) -> Warehouse:
    """dbt, pointed at an empty database."""
    return Warehouse(database_url, tmp_path)


@pytest.fixture
def landing(database_url: str) -> Iterator[Landing]:
    """The empty landing schema in that database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        landing = Landing(connection)
        landing.create()
        yield landing


@pytest.fixture(scope="module")
def module_warehouse(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """dbt, pointed at a database that the tests of a module share, and no other is beside."""
    with empty_database(postgres_server) as url:
        yield Warehouse(url, tmp_path_factory.mktemp("dbt"))


def _build_first_day(url: str, folder: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        landing = Landing(connection)
        landing.create()
        landing.crawl(boundary(1), days()[0])
    Warehouse(url, folder).dbt(*BUILD_UNTESTED)


@pytest.fixture(scope="session")
def first_day(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database in which the first of the scripted days is landed and built."""
    folder = tmp_path_factory.mktemp("first_day")
    with template(postgres_server, "first_day", _build_first_day, folder) as url:
        yield url


@pytest.fixture
def built(first_day: str, tmp_path: Path) -> Iterator[Warehouse]:
    """dbt, pointed at a database in which the first of the scripted days is built."""
    with copied_database(first_day, DATABASE) as url:
        yield Warehouse(url, tmp_path)


@pytest.fixture
def built_landing(built: Warehouse) -> Iterator[Landing]:
    """Its landing schema."""
    with psycopg.connect(built.url, autocommit=True) as connection:
        yield Landing(connection, [boundary(1)])


@pytest.fixture(scope="session")
def manifest(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The project as dbt parses it; the database need not exist."""
    warehouse = Warehouse(f"{postgres_server}/{DATABASE}", tmp_path_factory.mktemp("manifest"))
    return Manifest(warehouse.parse())
