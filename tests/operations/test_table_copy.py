"""A table makes way for its copy, however people keep reading it and a view of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from operations.erasure.table_copy import replace_with_copy
from tests.conftest import empty_database
from tests.reading import reading
from warehouse.settings import Settings

OF_THE_TABLE = "select count(*) from public.listens"
OF_THE_VIEW = "select count(*) from public.my_listens"


def in_a_query_of_the_view(connection: psycopg.Connection) -> tuple[object, ...]:
    return connection.execute(OF_THE_VIEW).fetchone() or ()


def in_a_transaction(connection: psycopg.Connection) -> tuple[object, ...]:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        before = connection.execute(OF_THE_TABLE).fetchone()
        # who read the table, and asks for the view a moment later
        connection.execute("select pg_sleep(0.05)")
        assert connection.execute(OF_THE_VIEW).fetchone() == before
    return before or ()


@pytest.mark.parametrize(("look", "readers"), [(in_a_query_of_the_view, 3), (in_a_transaction, 1)])
def test_a_table_that_is_read_without_a_pause_makes_way(
    postgres_server: str,
    tmp_path: Path,
    look: Callable[[psycopg.Connection], tuple[object, ...]],
    readers: int,
) -> None:
    with (
        empty_database(postgres_server, f"copy_{look.__name__}") as url,
        psycopg.connect(url, autocommit=True) as lock,
    ):
        lock.execute(
            """
            create table listens as select n as listen_id from generate_series(1, 1000) as n;
            create view my_listens as select * from listens
            """
        )
        settings = Settings(home=tmp_path, external_database_url=url)
        identity = "select 'public.listens'::regclass::oid"
        before = lock.execute(identity).fetchone()
        with ExitStack() as stack:
            # one query has begun whenever another one ends
            people = [stack.enter_context(reading(url, look)) for _ in range(readers)]
            assert replace_with_copy(settings, lock, "public", "listens")
        assert lock.execute(identity).fetchone() != before
        assert [readings.errors for readings in people] == [[]] * readers
        assert {day for readings in people for day in readings.days} == {(1000,)}
