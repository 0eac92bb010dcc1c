"""Connections, and what a person reads when there is none."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy
from adbc_driver_postgresql import dbapi
from dbt.adapters.contracts.connection import Connection, Identifier
from dbt.adapters.postgres.connections import PostgresConnectionManager, PostgresCredentials
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ingestion.landing.pipeline import landing_pipeline
from tests.conftest import free_port
from tests.dbt_project.rendered_profile import render
from tests.odd_sessions import ODD
from warehouse.database import SESSION, connect, library_url
from warehouse.errors import DatabaseError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

ENCRYPTION_REQUESTS = (80877103, 80877104)
"""What a client asks before it begins: by TLS, by GSSAPI."""

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
    return settings.but(external_database_url=url)


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
    missing = settings.but(external_database_url=f"{settings.external_database_url}_gone")
    with pytest.raises(DatabaseError, match="create the database, or correct its name"):
        connect(missing, "test")


def test_a_server_that_does_not_answer_is_named(settings: Settings) -> None:
    port = free_port()
    silent = settings.but(external_database_url=f"postgresql://ada:hunter2@127.0.0.1:{port}/music")
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


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_name_is_refused(
    settings: Settings, postgres_server: str, connection: psycopg.Connection, encoding: str
) -> None:
    connection.execute(
        f"create database narrow encoding {encoding} locale 'C' template template0".encode()
    )
    narrow = f"{postgres_server}/narrow"
    try:
        with pytest.raises(DatabaseError, match=f"{encoding}.*--encoding=UTF8.* narrow`"):
            connect(settings.but(external_database_url=narrow), "test")
    finally:
        connection.execute("drop database narrow")


@pytest.fixture(params=["refuses", "drops"])
def pooler(request: pytest.FixtureRequest, postgres_server: str) -> Iterator[str]:
    """What stands between as PgBouncer does, with `ignore_startup_parameters` and without."""
    address = conninfo_to_dict(postgres_server)
    server = (str(address["host"]), int(str(address["port"])))

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            version, content = self.receive()
            while version in ENCRYPTION_REQUESTS:
                self.request.sendall(b"N")
                version, content = self.receive()
            fields = content.split(b"\0")[:-2]
            parameters = dict(zip(fields[::2], fields[1::2], strict=True))
            if parameters.pop(b"options", None) and request.param == "refuses":
                error = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                self.request.sendall(b"E" + struct.pack("!I", len(error) + 4) + error)
                return
            body = b"".join(b"%s\0%s\0" % pair for pair in parameters.items()) + b"\0"
            with socket.create_connection(server) as backend:
                backend.sendall(struct.pack("!II", len(body) + 8, version) + body)
                back = threading.Thread(target=self.copy, args=(backend, self.request))
                back.start()
                self.copy(self.request, backend)
                back.join()

        def receive(self) -> tuple[int, bytes]:
            length, version = struct.unpack("!II", self.request.recv(8, socket.MSG_WAITALL))
            return version, self.request.recv(length - 8, socket.MSG_WAITALL)

        def copy(self, source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while received := source.recv(65536):
                    target.sendall(received)
                target.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{relay.server_address[1]}"
        relay.shutdown()


def test_a_pooler_is_found_before_anything_is_done(settings: Settings, pooler: str) -> None:
    url = settings.database_url.partition("@")
    pooled = settings.but(external_database_url=f"{url[0]}@{pooler}/{url[2].split('/')[1]}")
    with (
        pytest.raises(DatabaseError, match=f"At {pooler}/.* connection pooler .* own host and"),
        hold_run_lock(pooled),
    ):
        pass


def test_a_server_that_would_end_a_load_is_found_before_it(
    settings: Settings, connection: psycopg.Connection
) -> None:
    connection.execute("alter database test set transaction_timeout = '10min'")
    with pytest.raises(DatabaseError, match="after 10min") as refusal, hold_run_lock(settings):
        pass
    connection.execute(str(refusal.value).split("`")[1].encode())
    try:
        with hold_run_lock(settings):
            pass
    finally:
        connection.execute("alter role listenhouse in database test reset all")


NAME = "w%2Fh ?ü"


def dbt_connection(url: str) -> Any:
    """A connection as dbt opens it with our profile."""
    profile = render("default", {"LISTENHOUSE_DATABASE_URL": url})
    for name in ("type", "threads"):
        del profile[name]
    credentials = PostgresCredentials.from_dict(PostgresCredentials.translate_aliases(profile))
    connection = Connection(Identifier("postgres"), "test", credentials)
    return closing(PostgresConnectionManager.open(connection).handle)  # type: ignore[no-untyped-call]


@pytest.fixture(params=["URL", "PGPASSFILE"])
def guarded_server(
    request: pytest.FixtureRequest,
    connection: psycopg.Connection,
    guarded_role: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """URL of the server for the guarded role, with its password or without."""
    password = f":{quote(PASSWORD, '')}"
    if request.param == "PGPASSFILE":
        password = ""
        file = tmp_path / "passwords"
        file.touch(mode=0o600)
        escaped = PASSWORD.replace(":", r"\:")
        file.write_text(f"*:*:*:{guarded_role}:{escaped}\n")
        monkeypatch.setenv("PGPASSFILE", str(file))
    return f"postgresql://{guarded_role}{password}@{connection.info.host}:{connection.info.port}"


def test_every_part_reads_the_url_alike_and_pins_its_sessions(
    settings: Settings,
    connection: psycopg.Connection,
    guarded_role: str,
    guarded_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.execute(sql.SQL("create database {}").format(sql.Identifier(NAME)))
    # the URL goes before them
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGOPTIONS", "-cjoin_collapse_limit=9")
    url = (
        f"{guarded_server}/{quote(NAME, '')}"
        "?options=-cjoin_collapse_limit%3D7%20-ca.b%3Dc%5C%20d&sslrootcert=%2Fno%20file"
    )
    named = settings.but(external_database_url=url)
    for name, value in ODD.items():
        connection.execute(f"alter role {guarded_role} set {name} = '{value}'".encode())
    # dlt adds a search path of its own
    pinned = SESSION | {"DateStyle": "ISO, YMD", "a.b": "c d", "join_collapse_limit": "7"}
    del pinned["search_path"]
    question = "select current_database() || ' ' || current_user" + "".join(
        f" || ' ' || current_setting('{name}')" for name in pinned
    )
    answer = (" ".join([NAME, guarded_role, *pinned.values()]),)
    registry = f"postgresql+psycopg://{library_url(named, 'test', {}).partition('://')[2]}"
    pipeline = landing_pipeline(named, "test", "landing")
    try:
        with connect(named, "test") as opened:
            assert opened.execute(question).fetchone() == answer
        with dbapi.connect(library_url(named, "test", {})) as reading, reading.cursor() as cursor:
            cursor.execute(question)
            assert cursor.fetchone() == answer
        with sqlalchemy.create_engine(registry).connect() as session:
            assert tuple(session.execute(sqlalchemy.text(question)).one()) == answer
        with pipeline.sql_client() as client, client.execute_query(question) as rows:
            assert rows.fetchone() == answer
        with dbt_connection(url) as session, session.cursor() as rows:
            rows.execute(question)
            assert rows.fetchone() == answer
    finally:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(NAME)))
