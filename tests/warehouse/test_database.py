"""Connections, and what a person reads when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.conftest import free_port
from warehouse.database import connect, library_url
from warehouse.errors import DatabaseError
from warehouse.settings import Settings

PASSWORD = "p@ss:w/rd %"  # noqa: S105 (a test's)


@pytest.fixture
def guarded_role(connection: psycopg.Connection) -> Iterator[str]:
    """A role that the server asks for a password."""
    connection.execute(f"create role guarded login password '{PASSWORD}'")
    row = connection.execute("show hba_file").fetchone()
    assert row is not None
    hba_file = Path(row[0])
    trusting = hba_file.read_text()
    hba_file.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{trusting}")
    connection.execute("select pg_reload_conf()")
    yield "guarded"
    hba_file.write_text(trusting)
    connection.execute("select pg_reload_conf()")
    connection.execute("drop role guarded")


def as_role(settings: Settings, role: str, password: str) -> Settings:
    assert settings.external_database_url is not None
    url = settings.external_database_url.replace("listenhouse@", f"{role}:{quote(password, '')}@")
    return replace(settings, external_database_url=url)


def test_a_password_with_every_awkward_character_is_understood(
    settings: Settings, guarded_role: str
) -> None:
    with connect(as_role(settings, guarded_role, PASSWORD), "test") as opened:
        assert opened.info.user == guarded_role


def test_a_wrong_password_is_explained_and_not_repeated(
    settings: Settings, guarded_role: str
) -> None:
    with pytest.raises(DatabaseError, match="check user and password") as refusal:
        connect(as_role(settings, guarded_role, "hunter2"), "test")
    assert "hunter2" not in str(refusal.value)


def test_a_database_that_is_missing_is_named(settings: Settings) -> None:
    missing = replace(settings, external_database_url=f"{settings.external_database_url}_gone")
    with pytest.raises(DatabaseError, match="create the database, or correct its name"):
        connect(missing, "test")


def test_a_server_that_does_not_answer_is_named(settings: Settings) -> None:
    port = free_port()
    silent = replace(
        settings, external_database_url=f"postgresql://ada:hunter2@127.0.0.1:{port}/music"
    )
    with pytest.raises(DatabaseError, match=rf"127\.0\.0\.1:{port}/music .* runs") as refusal:
        connect(silent, "test")
    assert "hunter2" not in str(refusal.value)


def test_libraries_get_a_url_with_the_session_parameters_in_it(settings: Settings) -> None:
    url = library_url(settings, "listenhouse-test", {"work_mem": "7MB", "jit": "off"})
    with psycopg.connect(url) as session:
        assert session.execute(
            "select current_setting('work_mem'), current_setting('jit'), "
            "current_setting('application_name')"
        ).fetchone() == ("7MB", "off", "listenhouse-test")
