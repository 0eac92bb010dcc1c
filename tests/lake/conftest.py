"""A house with a lake: the first day is in it, the second one is published in PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lake.catalog import list_tables, open_catalog
from lake.publish import Report
from operations.lakehouse import publish_to_lake
from tests.conftest import DATABASE, copied_database
from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from tests.templates import template
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

FIRST_DAY, SECOND_DAY = "as_of_20260601_030000", "as_of_20260602_030000"
"""The tags of the days."""


@dataclass(frozen=True)
class House:
    """A warehouse and its lake.

    Attributes:
        settings: Where both are.
        first: What the first publication to the lake did.
    """

    settings: Settings
    first: Report

    @property
    def folder(self) -> Path:
        """Where the lake is."""
        return Path(str(self.settings.lake).removeprefix("file://"))

    def publish(self, *, whole: bool = False) -> Report:
        """Brings the lake to the published day."""
        return publish(self.settings, whole=whole)

    def but(self, **changes: Any) -> House:
        """The same with other settings."""
        return replace(self, settings=self.settings.but(**changes))

    def rows(self, tag: str | None = None) -> dict[str, set[tuple[Any, ...]]]:
        """The rows of every table, now or under a tag."""
        found = {}
        with open_catalog(self.settings) as catalog:
            for name in list_tables(catalog):
                table = catalog.load_table(name)
                snapshot = table.snapshot_by_name(tag) if tag else table.current_snapshot()
                if snapshot is not None:
                    arrow = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
                    arrow = arrow.select(sorted(arrow.column_names))
                    found[name] = {tuple(row.values()) for row in arrow.to_pylist()}
        return found

    def tags(self) -> set[str]:
        """The tags that any table has."""
        with open_catalog(self.settings) as catalog:
            return {
                name
                for table in list_tables(catalog)
                for name in catalog.load_table(table).metadata.refs
                if name != "main"
            }

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query of PostgreSQL."""
        with psycopg.connect(self.settings.database_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        """Runs and commits a statement in PostgreSQL."""
        with psycopg.connect(self.settings.database_url) as connection:
            connection.execute(statement.encode())

    def unneeded_files(self) -> set[str]:
        """Data files that no snapshot has."""
        with open_catalog(self.settings) as catalog:
            needed = {
                task.file.file_path.removeprefix("file://")
                for name in list_tables(catalog)
                for table in [catalog.load_table(name)]
                for snapshot in table.snapshots()
                for task in table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
            }
        return {str(path) for path in self.files() if path.suffix == ".parquet"} - needed

    def files(self) -> set[Path]:
        """All files of the lake."""
        return {path for path in self.folder.rglob("*") if path.is_file()}


def publish(settings: Settings, *, whole: bool = False) -> Report:
    with hold_run_lock(settings) as lock:
        return publish_to_lake(settings, lock, whole=whole)


def _publish_first_day(url: str, folder: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        landing = Landing(connection)
        landing.create()
        landing.crawl(boundary(1), days()[0])
    Warehouse(url, folder, "default").dbt(*BUILD_UNTESTED, "--vars", "{publish: untested}")


@pytest.fixture(scope="session")
def two_days(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house that tests copy."""
    folder = tmp_path_factory.mktemp("lake")
    with template(postgres_server, "lake_day", _publish_first_day, folder) as url:
        settings = Settings(
            home=folder / "home", external_database_url=url, lake=str(folder / "lake")
        )
        first = publish(settings)
        with psycopg.connect(url, autocommit=True) as connection:
            Landing(connection, [boundary(1)]).crawl(boundary(2), days()[1])
        Warehouse(url, folder, "default").dbt(*BUILD_UNTESTED, "--vars", "{publish: untested}")
        shutil.copytree(folder / "lake", folder / "kept")
        yield House(settings, first)


@pytest.fixture
def house(two_days: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A copy: tables know where they are, so that the lake's place stays the same."""
    shutil.rmtree(two_days.folder)
    shutil.copytree(two_days.folder.parent / "kept", two_days.folder)
    monkeypatch.setenv("COLUMNS", "200")
    with copied_database(two_days.settings.database_url, DATABASE) as url:
        yield two_days.but(home=tmp_path / "home", external_database_url=url)
