"""Connections to the warehouse, with errors that say what to do.

In: settings. Out: psycopg connections, and connection URLs for libraries that connect
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from warehouse.database_url import parse_database_url
from warehouse.errors import DatabaseError
from warehouse.settings import Settings

OLDEST_MAJOR = 15
"""Oldest PostgreSQL that Listenhouse runs on."""

SESSION = {
    # how texts, times and numbers are written and read
    "client_encoding": "UTF8",
    "DateStyle": "ISO,YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    # what statements mean
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    # who can make a schema can name it as the path begins, after the user, and put functions in it
    "search_path": "pg_catalog,pg_temp",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # a run's lock idles for hours, a merge or a build works for hours; we have limits of our own
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "exit_on_error": "off",
}
"""What every session of ours begins with, whatever its role, database or server has set.

`profiles.yml` says the same for dbt.
"""

_MARK = "listenhouse.session"
"""A parameter of our own: a session that does not have it did not get the others either."""

_CONNECT_TIMEOUT_SECONDS = 10


def connect(
    settings: Settings, application_name: str, *, timeout_seconds: int | None = None
) -> psycopg.Connection:
    """Opens a connection in autocommit mode.

    Args:
        settings: Which database.
        application_name: How the session calls itself in `pg_stat_activity`.
        timeout_seconds: Longest wait for a connection, from 2 on; the URL's, or 10, without it.

    Raises:
        DatabaseError: It cannot be reached or entered, or is none that Listenhouse runs on; says
            what to do.
    """
    # a lost client is noticed after minutes, not hours: it may hold the run's lock
    keepalives = {"keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "3"}
    parameters = keepalives | session_parameters(settings, application_name, {})
    if timeout_seconds is not None:
        parameters["connect_timeout"] = str(timeout_seconds)
    try:
        connection = psycopg.connect(make_conninfo(**parameters), autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseError(_explain(settings, error)) from error
    refusal = _refusal(settings, connection)
    if refusal:
        connection.close()
        raise DatabaseError(refusal)
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
    parameters = parse_database_url(settings.database_url)
    return f"{parameters['host']}:{parameters['port']}/{parameters['dbname']}"


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
        "was committed stays, nothing of an unfinished crawl is visible. Fix the cause and run "
        "again."
    )


def session_parameters(
    settings: Settings, application_name: str, session: Mapping[str, str]
) -> dict[str, str]:
    """What a session of ours is opened with: the URL's parameters, and what is pinned.

    Args:
        settings: Which database.
        application_name: How the session calls itself in `pg_stat_activity`.
        session: Parameters of the server to set for it, in place of `SESSION`'s or beside them.

    Returns:
        Values by libpq's names for them.
    """
    given = parse_database_url(settings.database_url)
    pinned = {**SESSION, **session, _MARK: "on"}
    options = [f"-c{name}={_escaped(value)}" for name, value in pinned.items()]
    return {
        "connect_timeout": str(_CONNECT_TIMEOUT_SECONDS),
        **given,
        # the last of two wins
        "options": " ".join([given.get("options", ""), *options]).strip(),
        "application_name": application_name,
    }


def library_url(settings: Settings, application_name: str, session: Mapping[str, str]) -> str:
    """The connection URL for libraries that open connections of their own.

    Args:
        settings: Which database.
        application_name: How their sessions call themselves.
        session: Parameters of the server to set for them, as in `session_parameters`.

    Returns:
        A URL with all of `session_parameters` behind its question mark, where every library decodes
        what stands there, as some do not in a database's name.
    """
    parameters = session_parameters(settings, application_name, session)
    return f"postgresql:///?{urlencode(parameters, quote_via=quote, safe='')}"


def _escaped(value: str) -> str:
    """A value as it stands in libpq's `options`, where blanks separate."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _refusal(settings: Settings, connection: psycopg.Connection) -> str | None:
    """Why Listenhouse does not run on the database that was reached; None where it does."""
    where = describe(settings)
    if connection.info.server_version < OLDEST_MAJOR * 10_000:
        version = connection.info.server_version // 10_000
        return (
            f"The PostgreSQL at {where} has version {version}; Listenhouse needs {OLDEST_MAJOR} or "
            "newer."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        name = connection.info.dbname
        return (
            f"The database at {where} has the encoding {encoding}, which cannot hold every name; "
            "nothing was written. Make one in UTF8, `createdb --template=template0 --encoding=UTF8 "
            f"--locale=C.UTF-8 {name}` (docs/how-to/own-postgresql.md)."
        )
    row = connection.execute("select current_setting(%s, true)", (_MARK,)).fetchone()
    if row is None or row[0] != "on":
        return _explain_pooler(where, "it drops the options that sessions are opened with")
    return None


def _explain_pooler(where: str, cause: str) -> str:
    return (
        f"At {where} there is a connection pooler ({cause}). A run's lock and its settings need a "
        "session of their own: name PostgreSQL's own host and port in LISTENHOUSE_DATABASE_URL "
        "(docs/how-to/own-postgresql.md#connection-poolers)."
    )


def _explain(settings: Settings, error: psycopg.OperationalError) -> str:
    # libpq reports every address it tried; the last line is the one of the last try
    cause = str(error).strip().splitlines()[-1].strip()
    where = describe(settings)
    if "startup parameter" in cause:
        return _explain_pooler(where, f"it says {cause.rpartition('FATAL:')[2].strip()!r}")
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


def table_exists(connection: psycopg.Connection, schema: str, table: str) -> bool:
    """Whether a table is there."""
    row = connection.execute(
        "select exists (select from pg_tables where schemaname = %s and tablename = %s)",
        (schema, table),
    ).fetchone()
    return bool(row and row[0])
