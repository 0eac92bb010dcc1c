"""dbt's nodes share a session and nothing else, and one that was lost is replaced."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from types import SimpleNamespace

import psycopg
import pytest
from dbt.adapters.postgres.connections import PostgresCredentials
from dbt.adapters.postgres.impl import PostgresAdapter
from dbt_common.helper_types import Port
from psycopg.conninfo import conninfo_to_dict

from operations.daily_run.kept_sessions import kept_sessions


@pytest.fixture
def adapter(connection: psycopg.Connection) -> Iterator[PostgresAdapter]:
    """dbt's adapter, as in a run, connected to the test's database."""
    info = conninfo_to_dict(connection.info.dsn)
    credentials = PostgresCredentials(
        database=connection.info.dbname,
        schema="public",
        host=str(info["host"]),
        port=Port(connection.info.port),
        user=connection.info.user,
        password="not asked for",  # noqa: S106
    )
    config = SimpleNamespace(credentials=credentials, log_cache_events=False)
    with kept_sessions():
        adapter = PostgresAdapter(config, multiprocessing.get_context("spawn"))
        yield adapter
        adapter.cleanup_connections()


def ask(adapter: PostgresAdapter, node: str, query: str) -> object:
    with adapter.connection_named(node):
        _, table = adapter.execute(query, auto_begin=True, fetch=True)
        adapter.commit_if_has_connection()
        return table.rows[0][0]


def test_a_node_gets_the_session_of_the_one_before_and_nothing_that_it_left(
    adapter: PostgresAdapter,
) -> None:
    pid = ask(adapter, "one", "create temporary table left_over (id int); select pg_backend_pid()")
    assert ask(adapter, "two", "select pg_backend_pid()") == pid
    assert ask(adapter, "two", "select to_regclass('left_over') is null") is True


def test_a_session_that_was_lost_is_replaced(
    adapter: PostgresAdapter, connection: psycopg.Connection
) -> None:
    pid = ask(adapter, "one", "select pg_backend_pid()")
    connection.execute("select pg_terminate_backend(%s, 5000)", (int(str(pid)),))
    with adapter.connection_named("two"), pytest.raises(Exception, match=r"terminat|closed"):
        adapter.execute("select 1", auto_begin=True, fetch=True)
    assert ask(adapter, "three", "select pg_backend_pid()") != pid
