"""What others wrote does not run with the rights of who administers their tables.

In: a session of the database's owner, or of a superuser. Out: nothing, or a refusal that names
what would run.

The triggers, rules, views, defaults and checks of a table run with the rights of who uses it, not
of who made them, and `set role` is no wall: what runs behind it can reset it. So where a role can
make tables, the owner uses none of them while something of that role's would run.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from warehouse.errors import DatabaseError

_LISTED = 5

_LOCK_SECONDS = 60

# of the functions that can change something, or read what their caller may, those that are harmless
_HARMLESS = "'{nextval, currval, random, gen_random_uuid, uuidv7, clock_timestamp}'::name[]"

# MLflow guards a table with a trigger; nothing of ours changes a row there, and to delete or insert
# one sets none off
_NEVER_SET_OFF = "tgrelid = to_regclass('mlflow.secrets') and tgtype & (4 | 8 | 32) = 0"

_TRUSTED = """
    select pg_roles.oid
    from pg_roles
    inner join pg_roles as mine on mine.rolname = session_user
    inner join pg_database on datname = current_database()
    where
        pg_roles.rolsuper
        or pg_roles.oid = mine.oid
        or (pg_roles.oid = datdba and not mine.rolsuper)
"""

_FIND = f"""
    with

    trusted as materialized ({_TRUSTED}),

    of_others as (
        select
            pg_class.oid,
            relowner as owner,
            format('%s.%I', relnamespace::regnamespace, relname) as name
        from pg_class
        where relowner not in (select oid from trusted)
    ),

    -- PostgreSQL keeps an expression as a tree, which names what it calls by number
    expressions as (
        select
            name,
            owner,
            case
                when rulename = '_RETURN' then 'view' else format('rule %I on', rulename)
            end as kind,
            concat(ev_action::text, ev_qual::text) as tree
        from pg_rewrite
        inner join of_others on of_others.oid = ev_class
        union all
        select name, owner, 'default of', adbin::text
        from pg_attrdef
        inner join of_others on of_others.oid = adrelid
        union all
        select name, owner, format('constraint %I on', conname), conbin::text
        from pg_constraint
        inner join of_others on of_others.oid = conrelid
        union all
        select
            name,
            owner,
            format('index %s on', indexrelid::regclass),
            concat(indexprs::text, indpred::text)
        from pg_index
        inner join of_others on of_others.oid = indrelid
        union all
        select
            name,
            owner,
            format('policy %I on', polname),
            concat(polqual::text, polwithcheck::text)
        from pg_policy
        inner join of_others on of_others.oid = polrelid
        union all
        select name, owner, 'partition key of', partexprs::text
        from pg_partitioned_table
        inner join of_others on of_others.oid = partrelid
        union all
        select
            pg_type.oid::regtype::text,
            typowner,
            'domain',
            concat(typdefaultbin::text, conbin::text)
        from pg_type
        left join pg_constraint on contypid = pg_type.oid
        where typowner not in (select oid from trusted)
    ),

    numbers as (
        select distinct name, owner, kind, found[1]::oid as number
        from expressions
        cross join lateral regexp_matches(
            tree, ':(?:funcid|opfuncid|opno|aggfnoid|winfnoid) (\\d+)', 'g'
        ) as found
    ),

    calls as (
        select name, owner, kind, number as function from numbers
        union
        select name, owner, kind, oprcode::oid
        from numbers
        inner join pg_operator on pg_operator.oid = number
    ),

    found as (
        select format('the %s %s, which calls %s', kind, name, pg_proc.oid::regproc) as what, owner
        from calls
        inner join pg_proc on pg_proc.oid = function
        where
            proowner not in (select oid from trusted)
            or (
                provolatile = 'v'
                and not (
                    pronamespace = 'pg_catalog'::regnamespace and proname = any({_HARMLESS})
                )
            )
            -- they run a query that is text
            or proname ~ '(^|_)to_xml'
        union
        -- whatever it does, it does it in place of what was asked for, or beside it
        select format('the %s %s', kind, name), owner
        from expressions
        where kind ~ '^rule '
        union
        -- on a table of ours as well: to make one takes a right, not the table
        select
            format(
                'the trigger %I on %s, which calls %s', tgname, tgrelid::regclass, tgfoid::regproc
            ),
            proowner
        from pg_trigger
        inner join pg_proc on pg_proc.oid = tgfoid
        where
            not tgisinternal
            and proowner not in (select oid from trusted)
            and ({_NEVER_SET_OFF}) is not true
        union
        select
            format(
                'the cast from %s, which calls %s', castsource::regtype, castfunc::regproc
            ),
            proowner
        from pg_cast
        inner join pg_proc on pg_proc.oid = castfunc
        where proowner not in (select oid from trusted)
    )

    select what, pg_get_userbyid(owner)::text from found order by what
"""  # noqa: S608 (nothing of it comes from outside)


def refuse_foreign_code(connection: psycopg.Connection) -> None:
    """Raises where something of less trusted roles would run with the rights of the session.

    A session that has no more rights than a role of the house is not looked at: what it uses is
    its own, or was made by those whom it reads from.

    Args:
        connection: A session.

    Raises:
        DatabaseError: There is such a thing; names it and its owner.
    """
    row = connection.execute(
        "select pg_has_role(session_user, datdba, 'member') from pg_database"
        " where datname = current_database()"
    ).fetchone()
    if not (row and row[0]):
        return
    found = connection.execute(_FIND.encode()).fetchall()
    if found:
        listed = "; ".join(f"{what} (of {owner})" for what, owner in found[:_LISTED])
        more = f"; and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
        raise DatabaseError(
            f"Nothing was changed: what others wrote would run with the rights of "
            f"{connection.info.user}: {listed}{more}. Drop it, or, if you have read it and trust "
            "it, make yourself the owner of its function; then run this again."
        )


def hold_tables_still(connection: psycopg.Connection) -> None:
    """Keeps others from giving their tables triggers and rules until the transaction ends.

    Args:
        connection: Connection with a transaction under way; what it is to change has to be listed
            before, and not after.

    Raises:
        DatabaseError: There is something that would run; names it and its owner.
    """
    tables = connection.execute(
        f"""
        select nspname::text, relname::text
        from pg_class
        inner join pg_namespace on pg_namespace.oid = relnamespace
        where
            relkind in ('r', 'p')
            and relpersistence <> 't'
            and (
                relowner not in ({_TRUSTED})
                or exists (
                    select
                    from aclexplode(relacl)
                    where privilege_type = 'TRIGGER' and grantee not in ({_TRUSTED})
                )
            )
        order by 1, 2
        """.encode()  # noqa: S608 (nothing of it comes from outside)
    ).fetchall()
    if tables:
        connection.execute(
            sql.SQL("set local lock_timeout = {}").format(sql.Literal(f"{_LOCK_SECONDS}s"))
        )
        connection.execute(
            sql.SQL("lock table {} in share row exclusive mode").format(
                sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
            )
        )
        connection.execute("set local lock_timeout to default")
    refuse_foreign_code(connection)
