"""The roles of a test's database, which are the server's and outlive it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from operations.roles import ROLES
from tests.conftest import DATABASE


@contextmanager
def roles_dropped(server: str, *logins: str) -> Iterator[None]:
    """Drops the roles of the test's database, those logins, and what is theirs, at the end."""
    names = [*(f"{DATABASE}_{role.name}" for role in ROLES), *logins]
    try:
        yield
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            there = {
                name: connection.execute(
                    "select from pg_roles where rolname = %s", (name,)
                ).fetchone()
                for name in names
            }
            known = [sql.Identifier(name) for name, found in there.items() if found is not None]
            exists = connection.execute(
                "select from pg_database where datname = %s", (DATABASE,)
            ).fetchone()
            if exists is not None and known:
                with psycopg.connect(f"{server}/{DATABASE}", autocommit=True) as inside:
                    # one by one: of several at once PostgreSQL can miss default privileges that
                    # it has just dropped
                    for name in known:
                        inside.execute(sql.SQL("drop owned by {} cascade").format(name))
            for name in known:
                connection.execute(sql.SQL("drop role {}").format(name))
