"""The embedded server: created once, started and stopped, and its refusals."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from operations.services import embedded_postgres
from tests.conftest import free_port
from tests.small_disk import small_disk_at
from warehouse.errors import EmbeddedPostgresError
from warehouse.settings import Settings


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a server that does not exist yet, and that is gone afterwards."""
    settings = Settings(home=tmp_path / "home", embedded_port=free_port())
    yield settings
    if (settings.postgres_directory / "postmaster.pid").exists():
        embedded_postgres.stop(settings)


def test_data_survives_a_stop_and_a_start(embedded: Settings) -> None:
    assert embedded_postgres.start(embedded)
    with psycopg.connect(embedded.database_url) as connection:
        connection.execute("create table kept as select 42 as answer")
    assert embedded_postgres.stop(embedded)
    assert embedded_postgres.read_state(embedded).port is None

    assert embedded_postgres.start(embedded)
    with psycopg.connect(embedded.database_url) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


def test_starting_and_stopping_twice_does_nothing_more(embedded: Settings) -> None:
    assert embedded_postgres.start(embedded)
    assert not embedded_postgres.start(embedded)
    assert embedded_postgres.stop(embedded)
    assert not embedded_postgres.stop(embedded)


def test_a_server_that_runs_on_another_port_is_named(embedded: Settings) -> None:
    embedded_postgres.start(embedded)
    with pytest.raises(
        EmbeddedPostgresError, match=f"already runs on port {embedded.embedded_port}"
    ):
        embedded_postgres.start(embedded.but(embedded_port=free_port()))


def test_a_taken_port_is_named_and_nothing_is_created(embedded: Settings) -> None:
    with socket.create_server(("127.0.0.1", embedded.embedded_port)):
        with pytest.raises(EmbeddedPostgresError, match=f"Port {embedded.embedded_port} .* taken"):
            embedded_postgres.start(embedded)
        assert not embedded.home.exists()


def test_a_half_created_data_directory_is_refused(embedded: Settings) -> None:
    embedded.postgres_directory.mkdir(parents=True)
    (embedded.postgres_directory / "PG_VERSION").write_text("18\n")
    with pytest.raises(EmbeddedPostgresError, match="not a complete PostgreSQL data directory"):
        embedded_postgres.start(embedded)


def test_a_start_that_fails_repeats_what_the_server_said(embedded: Settings) -> None:
    with pytest.raises(EmbeddedPostgresError, match="work_mem"):
        embedded_postgres.start(embedded, {"work_mem": "much"})


@pytest.mark.parametrize("size", ["100k", "40m"])
def test_a_disk_that_is_full_is_named_and_leaves_nothing_half_made(
    embedded: Settings, size: str
) -> None:
    with small_disk_at(embedded.home, size):
        # initdb has no space, or the database that is made after it
        with pytest.raises(EmbeddedPostgresError, match=r"No space left on device|disk space"):
            embedded_postgres.start(embedded)
        assert embedded_postgres.read_state(embedded).created == (size == "40m")
        if size == "40m":
            embedded_postgres.stop(embedded)


def test_only_this_machine_can_connect(embedded: Settings) -> None:
    embedded_postgres.start(embedded)
    with psycopg.connect(embedded.database_url) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
