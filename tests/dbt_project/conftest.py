"""A fresh database with an empty landing schema, and dbt pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import empty_database
from tests.dbt_project.artifacts import Manifest, parse_project
from tests.dbt_project.landing import Landing
from tests.dbt_project.warehouse_build import Warehouse


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
    """dbt, pointed at a database that the tests of a module share."""
    with empty_database(postgres_server, "module") as url:
        yield Warehouse(url, tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The project as dbt parses it; needs no database."""
    return parse_project(tmp_path_factory.mktemp("manifest"))
