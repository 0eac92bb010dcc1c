"""A lock for as long as a session lasts, which only who may write its table can take.

In: a connection, and the lock's table in schema `ops`. Out: whether it is ours, or whose it is.

PostgreSQL's own locks for sessions are advisory, and any login may take any of them: one key known
to all would let the least of the roles stop every run. So each holder makes a key at random, and
writes it to the table with the session that has it. The lock is held while that session of that
login has that key: it ends with the session, however that ends, and nobody else can feign it.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors, sql

from warehouse.database import create_schema
from warehouse.errors import DatabaseError

SCHEMA = "ops"

RUN_LOCK, CHECK_LOCK = "run_lock", "check_lock"
"""Of runs, and of looks at the alerts: a table each."""

_COLUMNS = """
    is_only boolean primary key check (is_only),
    pid integer not null,
    login oid not null,
    key bigint not null,
    application_name text not null,
    taken_at timestamptz not null
"""

# an advisory lock shows its key in two halves
_HELD = """
    exists (
        select
        from pg_locks
        inner join pg_stat_activity as activity on activity.pid = pg_locks.pid
        where
            pg_locks.locktype = 'advisory'
            and pg_locks.granted
            and pg_locks.database = activity.datid
            and activity.datname = current_database()
            and (pg_locks.classid::bigint << 32) | pg_locks.objid::bigint = held.key
            and activity.pid = held.pid
            and activity.usesysid = held.login
    )
"""


_CREATED_MEANWHILE = (
    errors.UniqueViolation,
    errors.DuplicateObject,
    errors.DuplicateSchema,
    errors.DuplicateTable,
)
"""What PostgreSQL says of a table that another session creates at the same moment."""


@dataclass(frozen=True)
class Holder:
    """The session that holds a lock.

    Attributes:
        application_name: How it calls itself.
        login: Whose it is.
        taken_at: Since when.
    """

    application_name: str
    login: str
    taken_at: datetime

    def __str__(self) -> str:
        """Says who it is."""
        return f"{self.application_name}, as {self.login}, since {self.taken_at:%F %T %Z}"


@dataclass(frozen=True)
class SessionLock:
    """A lock that is ours.

    Attributes:
        connection: The session that holds it.
        key: Its key.
    """

    connection: psycopg.Connection
    key: int

    def release(self) -> None:
        """Gives it up before the session ends."""
        self.connection.execute("select pg_advisory_unlock(%s)", (self.key,))


def create_lock(connection: psycopg.Connection, name: str) -> None:
    """Creates the table of a lock, where it is missing.

    Args:
        connection: Connection that may.
        name: The lock.
    """
    create_schema(connection, SCHEMA)
    connection.execute(
        sql.SQL("create table if not exists {} ({})").format(
            sql.Identifier(SCHEMA, name), sql.SQL(_COLUMNS)
        )
    )


def take(connection: psycopg.Connection, name: str) -> SessionLock | Holder:
    """Takes a lock, or says who holds it.

    Args:
        connection: Connection in autocommit mode, which holds the lock from then on.
        name: The lock.

    Raises:
        DatabaseError: The user may not; says what to do.
    """
    table = sql.Identifier(SCHEMA, name)
    try:
        # another may be faster, with the schema or with the table
        while not _exists(connection, name):
            with suppress(*_CREATED_MEANWHILE):
                create_lock(connection, name)
        with connection.transaction():
            # one after the other; those who may only read it cannot stand in the way
            connection.execute(sql.SQL("lock table {} in share row exclusive mode").format(table))
            row = connection.execute(
                sql.SQL(
                    "select application_name, pg_get_userbyid(login)::text, taken_at"
                    " from {} as held where {}"
                ).format(table, sql.SQL(_HELD))
            ).fetchone()
            if row:
                return Holder(*row)
            key = secrets.randbits(63)
            connection.execute("select pg_advisory_lock(%s)", (key,))
            connection.execute(
                sql.SQL(
                    """
                    insert into {}
                    select true, pid, usesysid, %s, application_name, clock_timestamp()
                    from pg_stat_activity where pid = pg_backend_pid()
                    on conflict (is_only) do update set
                        pid = excluded.pid,
                        login = excluded.login,
                        key = excluded.key,
                        application_name = excluded.application_name,
                        taken_at = excluded.taken_at
                    """
                ).format(table),
                (key,),
            )
    except errors.InsufficientPrivilege as error:
        raise DatabaseError(_explain(connection, name)) from error
    return SessionLock(connection, key)


def _exists(connection: psycopg.Connection, name: str) -> bool:
    row = connection.execute(
        "select exists (select from pg_tables where schemaname = %s and tablename = %s)",
        (SCHEMA, name),
    ).fetchone()
    return bool(row and row[0])


def _explain(connection: psycopg.Connection, name: str) -> str:
    user, database = connection.info.user, connection.info.dbname
    row = connection.execute("select to_regnamespace(%s) is null", (SCHEMA,)).fetchone()
    if row and row[0]:
        return (
            f"The user {user} may not create schemas in {database}: an owner of the database has "
            f'to run `grant create on database "{database}" to "{user}"`, or `listenhouse grant '
            f"loader {user}`."
        )
    part = "loader" if name == RUN_LOCK else "monitor"
    return (
        f"The user {user} may not take the lock {SCHEMA}.{name}, which is for those who write "
        f"beside it: an owner of the database has to run `listenhouse grant`, then `listenhouse "
        f"grant {part} {user}` or another role."
    )
