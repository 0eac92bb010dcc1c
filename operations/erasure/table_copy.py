"""A table replaced by a copy of its living rows, while people go on reading it.

`vacuum full` makes who reads a table wait until the table is written anew. A copy is written
beside it, and takes its name, its views and its grants in one short transaction. PostgreSQL looks
tables up by name when it parses a query, and again where a prepared one is out of date.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg import sql

from operations.erasure.waiting import for_a_free_moment, refuse_watchers_now
from warehouse.database import connect
from warehouse.settings import Settings

_COPIES = "erasure_copies"
"""Schema of copies that are not in place yet; readers have no right to it."""

_REPLACED = "erasure_replaced"

_LOCK_MILLISECONDS = 200
"""Shorter than PostgreSQL's deadlock_timeout: who has locked a view and waits for its table goes on
after this time, and is never the one that a deadlock ends."""

_PAUSE_SECONDS = 0.2


def replace_with_copy(
    settings: Settings, lock: psycopg.Connection, schema: str, table: str
) -> bool:
    """Replaces a table with a copy that has its indexes, comments, grants and views.

    Who writes to the table waits from the first to the last, who reads it a fraction of a second.

    Args:
        settings: Which warehouse.
        lock: Connection that holds the run's lock.
        schema: Schema of the table.
        table: The table.

    Returns:
        Whether it is done; not where the table has what a copy would not have, more than views
        hangs on it, or a view is somebody's whose role this one does not belong to.

    Raises:
        psycopg.errors.LockNotAvailable: The table was in use for more than a minute.
        ErasureError: Somebody goes on looking at the database as it was before the copy, which
            they would find empty.
    """
    if not _can_be_copied(lock, schema, table):
        return False
    _drop_copies(lock)
    try:
        with connect(settings, "listenhouse-erasure") as writer, writer.transaction():
            writer.execute(
                sql.SQL("lock table {} in share mode").format(sql.Identifier(schema, table))
            )
            transaction = _copy(lock, schema, table)
            for attempt in for_a_free_moment(_PAUSE_SECONDS):
                with attempt:
                    refuse_watchers_now(lock, transaction)
                    # a query of a view locks it before the table, a transaction that has read the
                    # table locks a view after it: either gets in the way of one order only
                    is_table_first = attempt.retry_state.attempt_number % 2 == 0
                    _put_in_place(writer, schema, table, is_table_first=is_table_first)
    except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InsufficientPrivilege):
        return False
    finally:
        _drop_copies(lock)
    return True


def _can_be_copied(connection: psycopg.Connection, schema: str, table: str) -> bool:
    found = connection.execute(
        """
        select from pg_class
        where
            oid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
            and relkind = 'r'
            and relreplident = 'd'
            and reloptions is null
            and reltablespace = 0
            -- the triggers of an enforced foreign key are among them
            and not (relhastriggers or relhasrules or relrowsecurity or relhassubclass)
            and not exists (
                select from pg_attribute
                where attrelid = pg_class.oid and (attidentity <> '' or attgenerated <> '')
            )
            and not exists (select from pg_publication_rel where prrelid = pg_class.oid)
        """,
        {"schema": schema, "table": table},
    )
    return found.rowcount > 0


def _copy(lock: psycopg.Connection, schema: str, table: str) -> str:
    """Copies a table; returns the transaction after which everybody sees the copy's rows."""
    original, copy = sql.Identifier(schema, table), sql.Identifier(_COPIES, table)
    with lock.transaction():
        lock.execute(sql.SQL("create schema {}").format(sql.Identifier(_COPIES)))
        lock.execute(sql.SQL("create table {} (like {} including all)").format(copy, original))
        # in the order they lie in, as readers' queries are fast in it
        lock.execute("set local synchronize_seqscans = off")
        lock.execute(sql.SQL("insert into {} select * from {}").format(copy, original))
        for (statement,) in _statements(lock, _OWNER_COMMENT_AND_GRANTS, schema, table):
            lock.execute(statement)
        row = lock.execute("select pg_current_xact_id()::text").fetchone()
    lock.execute(sql.SQL("vacuum (analyze) {}").format(copy))
    return row[0] if row else "0"


def _put_in_place(
    writer: psycopg.Connection, schema: str, table: str, *, is_table_first: bool
) -> None:
    """Gives a table's name, and the views that read it, to its copy, and drops the table."""
    original = sql.Identifier(schema, table)
    move = sql.SQL("alter table {} set schema {}")
    with writer.transaction():
        writer.execute(sql.SQL("set local lock_timeout = {}").format(_LOCK_MILLISECONDS))
        references = _statements(writer, _REFERENCES, schema, table)
        locks: list[sql.SQL | sql.Composed] = [sql.SQL("lock table {}").format(original)]
        locks += [release for release, _ in references]
        for statement in locks if is_table_first else reversed(locks):
            writer.execute(statement)
        writer.execute(sql.SQL("create schema {}").format(sql.Identifier(_REPLACED)))
        writer.execute(move.format(original, sql.Identifier(_REPLACED)))
        writer.execute(move.format(sql.Identifier(_COPIES, table), sql.Identifier(schema)))
        # what they name is the copy by now
        for _, attach in references:
            writer.execute(attach)
        writer.execute(sql.SQL("drop table {}").format(sql.Identifier(_REPLACED, table)))
        writer.execute(sql.SQL("drop schema {}").format(sql.Identifier(_REPLACED)))


def _drop_copies(lock: psycopg.Connection) -> None:
    """Also those of an erasure that was killed."""
    with lock.transaction():
        lock.execute("set local client_min_messages = warning")
        lock.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(_COPIES)))


def _statements(
    lock: psycopg.Connection, query: LiteralString, schema: str, table: str
) -> list[tuple[sql.SQL, ...]]:
    rows = lock.execute(query, {"schema": schema, "table": table, "copies": _COPIES})
    # made by PostgreSQL's format() and pg_get_viewdef(), which quote what people named
    return [tuple(map(sql.SQL, row)) for row in rows]


_OWNER_COMMENT_AND_GRANTS: LiteralString = """
with tables as (
    select
        pg_class.*,
        format('%%I.%%I', %(copies)s::text, relname) as copy
    from pg_class
    where oid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
),

privileges as (
    select copy, null as attname, (aclexplode(relacl)).*
    from tables

    union all

    select copy, attname, (aclexplode(attacl)).*
    from tables
    inner join pg_attribute on attrelid = tables.oid
)

select format('alter table %%s owner to %%s', copy, relowner::regrole)
from tables

union all

select format('comment on table %%s is %%L', copy, obj_description(oid, 'pg_class'))
from tables

union all

select format(
    'grant %%s %%s on %%s to %%s %%s',
    privilege_type,
    '(' || quote_ident(attname) || ')',
    copy,
    case when grantee = 0 then 'public' else grantee::regrole::text end,
    case when is_grantable then 'with grant option' end
)
from privileges
"""

# views that read the table, and foreign keys from and to it that are not enforced
_REFERENCES: LiteralString = """
with tables as (
    select to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text)) as id
)

-- to replace a view with itself locks it
select
    definition as release,
    definition as attach
from (
    select distinct format(
        'create or replace view %%s %%s as %%s',
        ev_class::regclass,
        'with (' || array_to_string(reloptions, ', ') || ')',
        pg_get_viewdef(ev_class)
    ) as definition
    from tables
    inner join pg_depend on refobjid = id
    inner join pg_rewrite on pg_rewrite.oid = objid
    inner join pg_class on pg_class.oid = ev_class
    where
        classid = 'pg_rewrite'::regclass
        and refclassid = 'pg_class'::regclass
        and relkind = 'v'
) as views

union all

select
    format('alter table %%s drop constraint %%I', conrelid::regclass, conname),
    format(
        'alter table %%s add constraint %%I %%s',
        conrelid::regclass,
        conname,
        pg_get_constraintdef(pg_constraint.oid)
    )
from tables
inner join pg_constraint on id in (conrelid, confrelid)
where contype = 'f'
"""
