"""Who may do what: group roles, each with the least that its part of the house needs.

In: a connection that may create roles. Out: roles, named after the database, that own what they
write and read what they need, also of tables that are made later. To grant again brings rights,
and the owners of tables, in line with what is declared here: rights beyond it are taken back.

A group role owns what its members make: `grant_login` has a login act as the group from the
moment it connects, so that dlt, dbt and the recommender make tables that the next login of the
same group may replace, and default privileges cover them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import sql

from ingestion.landing.crawl_ledger import create_crawls
from ingestion.landing.quarantine import create_rejected_records
from ingestion.landing.tombstones import create_erasures
from ingestion.sources.catalogue import LANDING_SCHEMAS, SOURCES
from ingestion.sources.moovitamix import LANDING_SCHEMA
from recommender.tables import create_tables as create_recommendations
from warehouse.database import create_schema, describe
from warehouse.errors import DatabaseError
from warehouse.ops.tables import create_tables as create_ops
from warehouse.session_lock import CHECK_LOCK, RUN_LOCK, create_lock
from warehouse.session_lock import SCHEMA as LOCK_SCHEMA
from warehouse.settings import Settings

_MAX_NAME_LENGTH = 63
"""Of what PostgreSQL does not cut off."""

_RECORD = "ops"
"""Schema that several roles write in. It is the owner's of the database: what a role owns runs, by
its triggers, with the rights of whoever writes there."""

_RECORDED = ("select", "insert", "update")
"""What writing the record of a run takes, or a lock."""


@dataclass(frozen=True)
class Role:
    """A group role.

    Attributes:
        name: What it does; the database's name comes before it.
        owns: Schemas that it owns, and all in them.
        reads: Schemas that it reads, tables to come included.
        records: Whether it writes records of runs, in schema `ops`.
        locks: Locks that it may take.
        tables: Further rights on single tables, by table.
        includes: Roles whose rights it has as well.
        database: Further rights on the database, beside connecting.
        languages: Languages that it may write functions in.
    """

    name: str
    owns: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    records: bool = False
    locks: tuple[str, ...] = ()
    tables: Mapping[str, LiteralString] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    database: tuple[LiteralString, ...] = ()
    languages: tuple[LiteralString, ...] = ()


ROLES = (
    Role(
        "loader",
        owns=(*LANDING_SCHEMAS, *(f"{schema}_staging" for schema in LANDING_SCHEMAS)),
        records=True,
        locks=(RUN_LOCK,),
    ),
    Role(
        "transformer",
        owns=(
            "staging",
            "intermediate",
            "candidate_marts",
            "candidate_health",
            "marts",
            "health",
            "test_failures",
        ),
        reads=(*LANDING_SCHEMAS, "ops", "recommendations"),
        records=True,
        # of the past and of developers are schemas of their own, incremental models use tables
        # that last for a session
        database=("create", "temporary"),
    ),
    Role(
        "recommender",
        owns=("recommendations", "mlflow"),
        reads=("marts", "ops"),
        records=True,
        locks=(RUN_LOCK,),
        # MLflow makes a trigger
        languages=("plpgsql",),
    ),
    Role(
        "monitor",
        reads=("ops", "intermediate", "marts", "health", "recommendations"),
        records=True,
        locks=(CHECK_LOCK,),
        tables={
            "ops.alert_deliveries": "delete",
            f"{LANDING_SCHEMA}.crawls": "select",
            # why records are in quarantine, and never the records
            f"{LANDING_SCHEMA}.rejected_records": (
                "select (endpoint, reason, first_seen_at, last_seen_at, resolved_at)"
            ),
        },
    ),
    Role("reader", reads=("marts", "health", "recommendations")),
    Role("api_reader", reads=("marts", "recommendations")),
    Role("pii_reader", reads=(*LANDING_SCHEMAS, "staging", "test_failures"), includes=("reader",)),
)
"""The roles. Each can connect; what is not listed, none of them may do."""


@dataclass(frozen=True)
class Granted:
    """What granting did.

    Attributes:
        roles: The roles, with the database's name before them.
        created: Those of them that are new.
        moved: Tables and views that have another owner now.
        closed: Whether nobody but superusers can make functions and large objects any more; only
            one of them can see to that.
    """

    roles: tuple[str, ...]
    created: tuple[str, ...]
    moved: int
    closed: bool


def grant(settings: Settings, connection: psycopg.Connection) -> Granted:
    """Creates the roles and gives them their rights, all in one transaction.

    Args:
        settings: Which warehouse.
        connection: Connection that holds the run's lock: nobody makes tables meanwhile.

    Raises:
        DatabaseError: The user may not do that; says what to do. Nothing is changed.
    """
    database = connection.info.dbname
    try:
        with connection.transaction():
            created = _create_roles(settings, connection)
            _create_tables(connection)
            moved = 0
            everybody = [role_name(connection, role.name) for role in ROLES]
            _reset_database(connection, everybody)
            owners = {base: role for role in ROLES for base in role.owns} | {_RECORD: None}
            for base, role in owners.items():
                owner = role_name(connection, role.name) if role else _database_owner(connection)
                for schema in _schemas(connection, base):
                    moved += _give_away(connection, schema, owner)
                    others = [other for other in ROLES if other != role]
                    _grant_schema(connection, schema, base, owner, others)
            for role in ROLES:
                _grant_single(connection, role)
            _grant_locks(connection, everybody)
            closed = _close_database(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"The user {connection.info.user} may not grant all that in {describe(settings)} "
            f"({error.diag.message_primary}); nothing was changed. Run `listenhouse grant` as the "
            f"owner of the database, with the right to create roles: `alter database "
            f'"{database}" owner to "{connection.info.user}"`, or set LISTENHOUSE_DATABASE_URL '
            "to another user for this one command."
        ) from error
    return Granted(tuple(everybody), created, moved, closed)


def grant_login(
    settings: Settings, connection: psycopg.Connection, role_label: str, login: str
) -> None:
    """Makes a login a member of a role; one that writes acts as the role in this database.

    Args:
        settings: Which warehouse.
        connection: Connection that may.
        role_label: Name of the role, without the database's.
        login: A login that exists.

    Raises:
        DatabaseError: There is no such login, it writes as another role, or the user may not.
    """
    role = next(role for role in ROLES if role.name == role_label)
    name = role_name(connection, role.name)
    found = connection.execute(
        "select rolcanlogin, rolsuper from pg_roles where rolname = %s", (login,)
    ).fetchone()
    if not found or not found[0]:
        raise DatabaseError(
            f"There is no login {login} in {describe(settings)}: create it with `create role "
            f"\"{login}\" login password '…'`, then run this again."
        )
    if found[1]:
        raise DatabaseError(
            f"The login {login} is a superuser, and no role restricts a superuser: name another "
            "login."
        )
    others = [role_name(connection, other.name) for other in ROLES if other.owns and other != role]
    writes = connection.execute(
        """
        select min(pg_get_userbyid(roleid))
        from pg_auth_members
        where member = %s::regrole and pg_get_userbyid(roleid) = any(%s)
        """,
        (sql.Identifier(login).as_string(connection), others),
    ).fetchone()
    if role.owns and writes and writes[0]:
        raise DatabaseError(
            f"The login {login} writes as {writes[0]} already, and writes as one role only: create "
            "another login, or revoke the membership."
        )
    names = {
        "role": sql.Identifier(name),
        "login": sql.Identifier(login),
        "database": sql.Identifier(connection.info.dbname),
    }
    try:
        with connection.transaction():
            connection.execute(sql.SQL("grant {role} to {login}").format(**names))
            if role.owns:
                connection.execute(
                    sql.SQL("alter role {login} in database {database} set role = {role}").format(
                        **names
                    )
                )
    except psycopg.errors.UndefinedObject as error:
        raise DatabaseError(
            f"There is no role {name} in {describe(settings)} yet: run `listenhouse grant` first."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"The user {connection.info.user} may not change the login {login} "
            f"({error.diag.message_primary}): run this as the user that created it, or as a "
            "superuser."
        ) from error


def role_name(connection: psycopg.Connection, label: str) -> str:
    """The name of a role on the server: roles are the server's, so the database's name is in it.

    Raises:
        DatabaseError: It would be too long.
    """
    name = f"{connection.info.dbname}_{label}"
    if len(name.encode()) > _MAX_NAME_LENGTH:
        raise DatabaseError(
            f"The role {name} would have a name of more than {_MAX_NAME_LENGTH} bytes, as it "
            "begins with the name of the database: give that a shorter one."
        )
    return name


def _create_roles(settings: Settings, connection: psycopg.Connection) -> tuple[str, ...]:
    names = [role_name(connection, role.name) for role in ROLES]
    known = {
        name
        for (name,) in connection.execute(
            "select rolname from pg_roles where rolname = any(%s)", (names,)
        )
    }
    missing = tuple(name for name in names if name not in known)
    row = connection.execute(
        "select rolsuper or rolcreaterole, current_user from pg_roles where rolname = current_user"
    ).fetchone()
    if missing and row and not row[0]:
        raise DatabaseError(
            f"The user {row[1]} may not create roles in {describe(settings)}; nothing was changed. "
            f'An administrator has to run `alter role "{row[1]}" createrole`, or `listenhouse '
            "grant` with LISTENHOUSE_DATABASE_URL set to a user that may."
        )
    for name in missing:
        connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(name)))
    for name in names:
        # who gives tables away has to belong to the new owner, and the owner of the database goes
        # on running the day, also where a superuser grants
        for maker in _makers(connection):
            member = connection.execute(
                "select pg_has_role(%s, %s, 'usage')", (maker, name)
            ).fetchone()
            if member and not member[0]:
                connection.execute(
                    sql.SQL("grant {} to {}").format(sql.Identifier(name), sql.Identifier(maker))
                )
    return missing


def _makers(connection: psycopg.Connection) -> list[str]:
    """Who makes tables where there are no separate logins: the user, the owner of the database."""
    rows = connection.execute("select current_user::text").fetchall()
    return sorted({_database_owner(connection), *(name for (name,) in rows)})


def _database_owner(connection: psycopg.Connection) -> str:
    row = connection.execute(
        "select pg_get_userbyid(datdba)::text from pg_database where datname = current_database()"
    ).fetchone()
    return str(row[0]) if row else ""


def _create_tables(connection: psycopg.Connection) -> None:
    """Makes the schemas, and the tables that single rights are on."""
    for role in ROLES:
        for schema in role.owns:
            create_schema(connection, schema)
    create_ops(connection)
    for lock in (RUN_LOCK, CHECK_LOCK):
        create_lock(connection, lock)
    create_recommendations(connection)
    for source in SOURCES.values():
        create_erasures(connection, source.schema)
        if source.is_crawled:
            create_rejected_records(connection, source.schema)
            names = [endpoint.name for endpoint in source.endpoints]
            create_crawls(connection, source.schema, names)


def _schemas(connection: psycopg.Connection, base: str) -> Iterator[str]:
    """A schema, and those of the past that are built from the same models."""
    for (name,) in connection.execute(
        "select nspname::text from pg_namespace where nspname = %s or nspname ~ %s",
        (base, rf"^as_of_\d+_{base}$"),
    ).fetchall():
        yield name


def _give_away(connection: psycopg.Connection, schema: str, owner: str) -> int:
    """Makes a role the owner of a schema and of all in it."""
    names = {"schema": sql.Identifier(schema), "owner": sql.Identifier(owner)}
    connection.execute(sql.SQL("alter schema {schema} owner to {owner}").format(**names))
    # sequences of columns go with their tables
    others = connection.execute(
        """
        select relname::text
        from pg_class
        where
            relnamespace = %s::regnamespace
            and relkind in ('r', 'p', 'v', 'm', 'f')
            and relowner <> %s::regrole
        """,
        [name.as_string(connection) for name in names.values()],
    ).fetchall()
    for (table,) in others:
        connection.execute(
            sql.SQL("alter table {} owner to {owner}").format(
                sql.Identifier(schema, table), **names
            )
        )
    return len(others)


def _reset_database(connection: psycopg.Connection, roles: Sequence[str]) -> None:
    """Takes from everybody what is not granted by name; each role may connect."""
    names = {
        "database": sql.Identifier(connection.info.dbname),
        "roles": sql.SQL(", ").join(map(sql.Identifier, roles)),
    }
    for statement in (
        "revoke all on database {database} from public, {roles}",
        "revoke all on schema public from public, {roles}",
        "grant connect on database {database} to {roles}",
    ):
        connection.execute(sql.SQL(statement).format(**names))


def _close_database(connection: psycopg.Connection) -> bool:
    """Takes from everybody what PostgreSQL gives to all, and no part of the house needs.

    A function runs with the rights of who calls it, knowingly or not; a large object is in no
    schema, so that no right on one keeps it out.
    """
    row = connection.execute(
        "select rolsuper from pg_roles where rolname = current_user"
    ).fetchone()
    if not (row and row[0]):
        return False
    functions = connection.execute(
        """
        select string_agg(oid::regprocedure::text, ', ')
        from pg_proc
        where
            pronamespace = 'pg_catalog'::regnamespace and proname ~ '^(lo_.*|loread|lowrite)$'
        """
    ).fetchone()
    languages = connection.execute(
        "select string_agg(quote_ident(lanname), ', ') from pg_language where lanpltrusted"
    ).fetchone()
    for statement, names in (
        ("revoke execute on function {} from public", functions),
        ("revoke usage on language {} from public", languages),
    ):
        if names and names[0]:
            connection.execute(statement.format(names[0]).encode())
    for role in ROLES:
        for language in role.languages:
            connection.execute(
                sql.SQL("grant usage on language {} to {}").format(
                    sql.Identifier(language), *_identifiers(connection, [role])
                )
            )
    return True


def _grant_schema(
    connection: psycopg.Connection, schema: str, base: str, owner: str, others: Sequence[Role]
) -> None:
    """Grants the declared rights on a schema, after all others were taken."""
    names = {
        "schema": sql.Identifier(schema),
        "owner": sql.Identifier(owner),
        "others": sql.SQL(", ").join(_identifiers(connection, others)),
        "makers": sql.SQL(", ").join(map(sql.Identifier, sorted({owner, *_makers(connection)}))),
        "logins": sql.SQL(", ").join(map(sql.Identifier, _makers(connection))),
    }
    for statement in (
        "revoke all on schema {schema} from public, {others}",
        "revoke all on all tables in schema {schema} from public, {others}",
        "alter default privileges for role {makers} in schema {schema}"
        " revoke all on tables from public, {others}",
        "alter default privileges for role {logins} in schema {schema}"
        " grant all on tables to {owner}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    readers = [role for role in others if base in role.reads]
    recorders = [role for role in others if base == _RECORD and role.records]
    for roles, rights in ((readers, ("select",)), (recorders, _RECORDED)):
        if not roles:
            continue
        names["roles"] = sql.SQL(", ").join(_identifiers(connection, roles))
        names["rights"] = sql.SQL(", ").join(map(sql.SQL, rights))
        for statement in (
            "grant usage on schema {schema} to {roles}",
            "grant {rights} on all tables in schema {schema} to {roles}",
            "alter default privileges for role {makers} in schema {schema}"
            " grant {rights} on tables to {roles}",
        ):
            connection.execute(sql.SQL(statement).format(**names))


def _grant_locks(connection: psycopg.Connection, roles: Sequence[str]) -> None:
    """Leaves locks to those who may take them: who may write rows beside them may not."""
    everybody = sql.SQL(", ").join(map(sql.Identifier, roles))
    for lock in (RUN_LOCK, CHECK_LOCK):
        takers = [role for role in ROLES if lock in role.locks]
        table = sql.Identifier(LOCK_SCHEMA, lock)
        connection.execute(sql.SQL("revoke all on {} from {}").format(table, everybody))
        connection.execute(
            sql.SQL("grant {} on {} to {}").format(
                sql.SQL(", ").join(map(sql.SQL, _RECORDED)),
                table,
                sql.SQL(", ").join(_identifiers(connection, takers)),
            )
        )


def _grant_single(connection: psycopg.Connection, role: Role) -> None:
    """Grants what a role may beyond schemas."""
    (name,) = _identifiers(connection, [role])
    for right in role.database:
        connection.execute(
            sql.SQL("grant {} on database {} to {}").format(
                sql.SQL(right), sql.Identifier(connection.info.dbname), name
            )
        )
    for table, rights in role.tables.items():
        schema, _, _ = table.partition(".")
        connection.execute(
            sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(schema), name)
        )
        connection.execute(
            sql.SQL("grant {} on {} to {}").format(
                sql.SQL(rights), sql.Identifier(*table.split(".")), name
            )
        )
    for included in role.includes:
        connection.execute(
            sql.SQL("grant {} to {}").format(sql.Identifier(role_name(connection, included)), name)
        )


def _identifiers(connection: psycopg.Connection, roles: Sequence[Role]) -> list[sql.Identifier]:
    return [sql.Identifier(role_name(connection, role.name)) for role in roles]
