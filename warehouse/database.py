"""Connections to the warehouse, with errors that say what to do.

In: settings. Out: psycopg connections, and connection URLs for libraries that connect
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from warehouse.errors import DatabaseError
from warehouse.settings import Settings

OLDEST_MAJOR = 15
"""Oldest PostgreSQL that Listenhouse runs on."""

_CONNECT_TIMEOUT_SECONDS = 10


def connect(
    settings: Settings,
    application_name: str,
    *,
    timeout_seconds: int = _CONNECT_TIMEOUT_SECONDS,
) -> psycopg.Connection:
    """Opens a connection in autocommit mode.

    Args:
        settings: Which database.
        application_name: How the session calls itself in `pg_stat_activity`.
        timeout_seconds: Longest wait for a connection, from 2 on.

    Raises:
        DatabaseError: It cannot be reached or entered, or is too old; says what to do.
    """
    try:
        connection = psycopg.connect(
            settings.database_url,
            application_name=application_name,
            connect_timeout=timeout_seconds,
            autocommit=True,
            # a lost client is noticed after minutes, not hours: it may hold the run's lock
            keepalives_idle=60,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg.OperationalError as error:
        raise DatabaseError(_explain(settings, error)) from error
    if connection.info.server_version < OLDEST_MAJOR * 10_000:
        version = connection.info.server_version // 10_000
        connection.close()
        raise DatabaseError(
            f"The PostgreSQL at {describe(settings)} has version {version}; Listenhouse needs "
            f"{OLDEST_MAJOR} or newer."
        )
    return connection


def create_schema(connection: psycopg.Connection, name: str) -> None:
    """Creates a schema where it is missing.

    PostgreSQL asks for the right to create schemas even where `if not exists` finds one, and a
    role of its own for each part of the house need not have it.
    """
    row = connection.execute(
        "select exists (select from pg_namespace where nspname = %s)", (name,)
    ).fetchone()
    if not (row and row[0]):
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(name)))


def add_column(
    connection: psycopg.Connection, schema: str, table: str, column: str, definition: LiteralString
) -> None:
    """Adds a column to a table of an earlier version; looks first, as to alter locks readers out.

    Args:
        connection: Connection of the table's owner.
        schema: Schema of the table.
        table: A table that exists.
        column: Name of the column.
        definition: Its type, and what it must have.
    """
    row = connection.execute(
        """
        select exists (
            select from pg_attribute
            where attrelid = %s::regclass and attname = %s and not attisdropped
        )
        """,
        (sql.Identifier(schema, table).as_string(connection), column),
    ).fetchone()
    if not (row and row[0]):
        connection.execute(
            sql.SQL("alter table {} add column {} {}").format(
                sql.Identifier(schema, table), sql.Identifier(column), sql.SQL(definition)
            )
        )


def describe(settings: Settings) -> str:
    """Names the database without its password: host, port and database."""
    parts = urlsplit(settings.database_url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def explain_failure(settings: Settings, error: Exception) -> DatabaseError:
    """Says what to do when PostgreSQL fails a run that it had let in.

    Args:
        settings: Which database.
        error: What its driver raised: a lost connection, a server that ended, a full disk.
    """
    lines = str(error).strip().splitlines()
    cause = lines[0].strip().rstrip(".") if lines else type(error).__name__
    return DatabaseError(
        f"The PostgreSQL at {describe(settings)} failed in the middle of the run ({cause}). What "
        "was committed stays, nothing of an unfinished crawl is visible. Mend the cause and run "
        "again."
    )


def library_url(settings: Settings, application_name: str, parameters: Mapping[str, str]) -> str:
    """The connection URL for libraries that open connections of their own.

    Args:
        settings: Which database.
        application_name: How their sessions call themselves.
        parameters: PostgreSQL parameters to set for their sessions.

    Returns:
        A URL with everything in it. It always holds a password, because dlt asks for one
        even where the server does not.
    """
    parts = urlsplit(settings.database_url)
    query = dict(parse_qsl(parts.query))
    options = [query.get("options", "").replace(" ", "\t")]
    options += [f"-c{name}={value}" for name, value in parameters.items()]
    # not a blank: dlt writes it as a plus sign, which libpq takes for one
    query["options"] = "\t".join(option for option in options if option)
    query["application_name"] = application_name
    location = parts.netloc
    if parts.password is None:
        user, _, address = location.rpartition("@")
        location = f"{user}:none@{address}"
    return urlunsplit(
        (parts.scheme, location, parts.path, urlencode(query, quote_via=quote), parts.fragment)
    )


def _explain(settings: Settings, error: psycopg.OperationalError) -> str:
    # libpq reports every address it tried; the last line is the one of the last try
    cause = str(error).strip().splitlines()[-1].strip()
    where = describe(settings)
    if settings.uses_embedded_postgres:
        return (
            f"The embedded PostgreSQL at {where} does not answer ({cause}): start it with "
            "`listenhouse up`."
        )
    if "password" in cause or "authentication" in cause or "role" in cause:
        remedy = "check user and password in LISTENHOUSE_DATABASE_URL"
    elif "does not exist" in cause:
        remedy = "create the database, or correct its name in LISTENHOUSE_DATABASE_URL"
    else:
        remedy = "check LISTENHOUSE_DATABASE_URL and that the server runs"
    return f"No connection to the PostgreSQL at {where} ({cause}): {remedy}."
