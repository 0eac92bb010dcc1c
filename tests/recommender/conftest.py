"""A warehouse with tastes in its marts, before a training and after the first one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from recommender.panel import PANEL
from recommender.recommend import SOURCE_NAME, RecommendReport, recommend
from recommender.registry import Registry, open_registry
from recommender.retrain import RetrainReport, retrain, retrain_if_needed
from recommender.tables import create_tables
from tests.conftest import copied_database
from tests.recommender.marts import Marts, fill
from tests.templates import template
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


@dataclass(frozen=True)
class House:
    """A warehouse whose marts are built.

    Attributes:
        settings: Settings for it.
        connection: An autocommitting connection.
        marts: Its marts.
    """

    settings: Settings
    connection: psycopg.Connection
    marts: Marts

    def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query, values).fetchall()

    def registry(self) -> Registry:
        """The registry."""
        return open_registry(self.settings, self.connection, SOURCE_NAME)

    def artifacts(self) -> list[Path]:
        """The files of the models."""
        return sorted((self.settings.model_directory / SOURCE_NAME).glob("*"))

    def recommend(self, **options: Any) -> RecommendReport:
        """Computes lists, as the command does."""
        with hold_run_lock(self.settings) as lock:
            return recommend(self.settings, lock, RunRecord(self.settings, "test"), **options)

    def retrain(self, **options: Any) -> RetrainReport:
        """Trains, as the command does."""
        with hold_run_lock(self.settings) as lock:
            return retrain(self.settings, lock, RunRecord(self.settings, "test"), **options)

    def retrain_if_needed(self) -> RetrainReport:
        """Trains when a trigger fires, as the command does."""
        with hold_run_lock(self.settings) as lock:
            return retrain_if_needed(self.settings, lock, RunRecord(self.settings, "test"))


@contextmanager
def _opened(settings: Settings) -> Iterator[House]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield House(settings, connection, Marts(connection))


def _end_sessions(url: str) -> None:
    """Ends the connections that the registry keeps: nobody may be connected to what is copied."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s",
            (name,),
        )


@contextmanager
def _copied(server: str, original: str, name: str, home: Path) -> Iterator[Settings]:
    """A copy of a database, and settings for it."""
    with copied_database(f"{server}/{original}", name) as url:
        yield Settings(home=home, external_database_url=url)


@pytest.fixture(scope="session")
def small_panel() -> Iterator[None]:
    """Two candidates: what the others are good for is the concern of the panel's own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recommender.retrain.PANEL", PANEL[:2])
        yield


def _fill(url: str, folder: Path) -> None:
    with _opened(Settings(home=folder, external_database_url=url)) as house:
        house.marts.create()
        fill(house.marts)
        create_tables(house.connection)
        house.registry()
    _end_sessions(url)


def _train(url: str, folder: Path) -> None:
    _fill(url, folder)
    with _opened(Settings(home=folder, external_database_url=url)) as house:
        house.retrain()
    _end_sessions(url)


@pytest.fixture(scope="session")
def untrained_database(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Name of a database with marts and an empty registry, to copy."""
    folder = tmp_path_factory.mktemp("untrained")
    with template(postgres_server, "untrained", _fill, folder):
        yield "untrained"


@pytest.fixture(scope="session")
def trained_settings(
    postgres_server: str,
    tmp_path_factory: pytest.TempPathFactory,
    small_panel: None,  # noqa: ARG001 (while the database is there)
) -> Iterator[Settings]:
    """Settings of a warehouse after its first training, to copy."""
    folder = tmp_path_factory.mktemp("trained")
    with template(postgres_server, "trained", _train, folder) as url:
        yield Settings(home=folder, external_database_url=url)


@pytest.fixture
def untrained(
    postgres_server: str,
    untrained_database: str,
    tmp_path: Path,
    small_panel: None,  # noqa: ARG001 (while the warehouse is there)
) -> Iterator[House]:
    """A warehouse before any training."""
    with (
        _copied(postgres_server, untrained_database, "test", tmp_path / "home") as settings,
        _opened(settings) as house,
    ):
        yield house


@pytest.fixture
def trained(postgres_server: str, trained_settings: Settings, tmp_path: Path) -> Iterator[House]:
    """A warehouse after its first training, which made version 2 champion."""
    home = tmp_path / "home"
    shutil.copytree(trained_settings.model_directory, home / "models")
    with (
        _copied(postgres_server, "trained", "test", home) as settings,
        _opened(settings) as house,
    ):
        yield house
