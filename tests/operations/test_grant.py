"""To grant needs an owner who may create roles, and hands what is there to them."""

from __future__ import annotations

import psycopg
import pytest

from operations.grant_command import run_grant
from operations.roles import grant
from tests.conftest import DATABASE
from tests.roles import roles_dropped
from warehouse.errors import DatabaseError, SettingsError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def test_who_may_not_create_roles_is_told_what_to_do(
    postgres_server: str,
    settings: Settings,
    connection: psycopg.Connection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with roles_dropped(postgres_server, "plain_owner"):
        connection.execute("create role plain_owner login")
        connection.execute(f"alter database {DATABASE} owner to plain_owner")
        url = settings.database_url.replace("//listenhouse@", "//plain_owner@")
        plain = settings.but(external_database_url=url)
        try:
            with pytest.raises(DatabaseError, match='alter role "plain_owner" createrole'):
                run_grant(plain, None, None)
            connection.execute("alter role plain_owner createrole")
            run_grant(plain, None, None)
            assert f"{DATABASE}_pii_reader (new)" in capsys.readouterr().out
            run_grant(plain, None, None)
            assert "(new)" not in capsys.readouterr().out
            # no superuser, and yet all belongs to the roles
            owner = connection.execute(
                "select nspowner::regrole::text from pg_namespace where nspname = 'marts'"
            ).fetchone()
            assert owner == (f"{DATABASE}_transformer",)
            with pytest.raises(SettingsError, match="names no role and login"):
                run_grant(plain, "loadre", "plain_owner")
        finally:
            connection.execute(f"alter database {DATABASE} owner to listenhouse")


def test_a_warehouse_that_stood_before_is_handed_to_the_roles(
    postgres_server: str, settings: Settings, connection: psycopg.Connection
) -> None:
    connection.execute(
        "create schema marts; create table marts.dim_users (user_id text);"
        " create schema as_of_20260301_marts; create view as_of_20260301_marts.past as select 1;"
        " create schema theirs; create table theirs.kept ()"
    )
    with roles_dropped(postgres_server):
        with hold_run_lock(settings) as lock:
            granted = grant(settings, lock)
        owners = connection.execute(
            """
            select relname::text, relowner::regrole::text
            from pg_class
            where relname in ('dim_users', 'past', 'kept')
            order by relname
            """
        ).fetchall()
        readable = connection.execute(
            "select has_table_privilege(%s, 'as_of_20260301_marts.past', 'select')",
            (f"{DATABASE}_reader",),
        ).fetchone()

    assert granted.moved >= 2
    assert owners == [
        ("dim_users", f"{DATABASE}_transformer"),
        ("kept", "listenhouse"),
        ("past", f"{DATABASE}_transformer"),
    ]
    assert readable == (True,)
