"""A login whose sessions begin with everything otherwise, as an administrator can have set it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

ODD = {
    "client_encoding": "LATIN1",
    "DateStyle": "German,DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kolkata",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "search_path": "nowhere",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "exit_on_error": "on",
}
"""A value for each parameter that our sessions pin, under which much goes wrong."""


@contextmanager
def odd_login(url: str, name: str = "odd") -> Iterator[str]:
    """A superuser whose sessions begin with `ODD`, while the block runs.

    Args:
        url: URL of a superuser for a database.
        name: Name of the login.

    Yields:
        Its URL for that database.
    """
    address = url.partition("@")[2]
    login = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as administration:
        administration.execute(sql.SQL("create role {} superuser login").format(login))
        for parameter, value in ODD.items():
            administration.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    login, sql.SQL(parameter), sql.Literal(value)
                )
            )
    try:
        yield f"postgresql://{name}@{address}"
    finally:
        with psycopg.connect(url, autocommit=True) as administration:
            administration.execute(sql.SQL("reassign owned by {} to current_user").format(login))
            administration.execute(sql.SQL("drop owned by {}").format(login))
            administration.execute(sql.SQL("drop role {}").format(login))
