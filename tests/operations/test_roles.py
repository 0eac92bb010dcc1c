"""Each part of the house runs under a login of its own, and none can do more than it must."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from ingestion.landing.load import load
from ingestion.withdrawal_command import run_withdrawal
from monitoring.alerts.command import run_check
from monitoring.health_page import page as health_page
from monitoring.listening_page import page as listening_page
from monitoring.metrics.exporter import read_metrics
from operations.checks.sanity_check import check_all
from operations.erasure.forget_command import run_forget
from operations.grant_command import run_grant
from operations.prune_command import run_prune
from operations.redate_command import run_redate
from operations.roles import ROLES, grant, grant_login
from operations.vacuum import run_vacuum
from recommender.command import run_recommend, run_retrain
from tests.conftest import DATABASE, empty_database, free_port
from tests.dbt_project.warehouse_build import BUILD, Warehouse
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from tests.roles import roles_dropped
from tests.serving.conftest import serving
from warehouse.database import connect
from warehouse.errors import BusyError, DatabaseError
from warehouse.foreign_code import hold_tables_still, refuse_foreign_code
from warehouse.run_lock import LOADER_APPLICATION, hold_run_lock
from warehouse.session_lock import RUN_LOCK, take
from warehouse.settings import Settings

REFUSED = {
    "loader": (
        "select from marts.dim_users",
        "select from staging.stg_moovitamix__users",
        "select from recommendations.recommendations",
        "create schema mine",
        "create table public.mine ()",
        "delete from ops.runs",
        "create table ops.mine ()",
        "create trigger mine before insert on ops.runs for each row"
        " execute function suppress_redundant_updates_trigger()",
        "select from ops.check_lock",
    ),
    "transformer": (
        "insert into raw_moovitamix.users select * from raw_moovitamix.users",
        "delete from raw_moovitamix.rejected_records",
        "delete from recommendations.batches",
        "delete from ops.runs",
        "select from mlflow.model_versions",
        "create table raw_moovitamix.mine ()",
        "select from ops.run_lock",
        "insert into ops.check_lock values (true, 1, 1, 1, 'me', now())",
    ),
    "recommender": (
        "select from raw_moovitamix.users",
        "select from staging.stg_moovitamix__users",
        "update marts.dim_users set is_deleted = true",
        "delete from ops.runs",
        "create table marts.mine ()",
        "create schema mine",
    ),
    "monitor": (
        "select from raw_moovitamix.users",
        "select record from raw_moovitamix.rejected_records",
        "select from staging.stg_moovitamix__users",
        "select from mlflow.model_versions",
        "select from candidate_health.rpt_findings",
        "delete from ops.alerts",
        "delete from marts.fct_listens",
        "create table ops.mine ()",
        "update ops.run_lock set pid = 0",
        "lock table ops.run_lock in access share mode",
    ),
    "reader": (
        "select email from staging.stg_moovitamix__users",
        "select email from raw_moovitamix.users",
        "select from raw_moovitamix.rejected_records",
        "select from intermediate.int_users_versioned",
        "select from candidate_marts.fct_listens",
        "select from ops.runs",
        "select from mlflow.model_versions",
        "delete from marts.fct_listens",
        "create table marts.mine ()",
        "create temporary table mine ()",
        "create schema mine",
    ),
    "api_reader": (
        "select from raw_moovitamix.users",
        "select from staging.stg_moovitamix__users",
        "select from health.rpt_findings",
        "select from candidate_marts.dim_tracks",
        "select from ops.runs",
        "delete from recommendations.recommendations",
        "create table public.mine ()",
    ),
    "pii_reader": (
        "update raw_moovitamix.users set email = null",
        "delete from raw_moovitamix.rejected_records",
        "select from ops.runs",
        "select from mlflow.model_versions",
        "create table staging.mine ()",
    ),
}
"""By role, what each must not do; the tables are there, all made after the grant."""

ALLOWED = {
    "reader": ("select from marts.fct_listens", "select from health.rpt_findings"),
    "api_reader": ("select from recommendations.recommendations", "select from marts.dim_tracks"),
    "monitor": ("select reason from raw_moovitamix.rejected_records",),
    "pii_reader": (
        "select email from staging.stg_moovitamix__users",
        "select record from raw_moovitamix.rejected_records",
        "select from marts.fct_listens",
    ),
}


CANARIES = {
    "first_name": "Canaryfirst",
    "last_name": "Canarylast",
    "email": "canary.bird@example.org",
}
"""Of one user, and of a record that does not fit."""


def login(role: str) -> str:
    return f"{DATABASE}_{role}_login"


@dataclass(frozen=True)
class House:
    """A warehouse whose parts have logins of their own.

    Attributes:
        settings: Those of its owner.
        warehouse: The owner's view of it.
    """

    settings: Settings
    warehouse: Warehouse

    def url(self, role: str) -> str:
        """The URL for the login of a role."""
        return self.settings.database_url.replace("//listenhouse@", f"//{login(role)}@")

    def settings_of(self, role: str) -> Settings:
        """The settings of the part that has a role."""
        return self.settings.but(external_database_url=self.url(role))

    def run(self, role: str, statement: str) -> None:
        """Runs a statement as a role."""
        with psycopg.connect(self.url(role)) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="module")
def house(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A day, run by separate logins in a database where only roles had been granted."""
    folder = tmp_path_factory.mktemp("roles")
    api = ScriptedApi()
    api.records = {
        "users": [
            user(1, **CANARIES),
            *(user(number) for number in range(2, 61)),
            user(61, id="61x", **CANARIES),
        ],
        "tracks": [track(number) for number in range(1, 61)],
        "listen_history": [
            history(number, [1 + (number * step) % 60 for step in range(1, 11)])
            for number in range(1, 61)
        ],
    }
    with (
        roles_dropped(postgres_server, *(login(role.name) for role in ROLES)),
        empty_database(postgres_server) as url,
        serve(api),
    ):
        settings = Settings(
            home=folder / "home",
            external_database_url=url,
            external_api_url=api.url,
            serving_port=free_port(),
        )
        house = House(settings, Warehouse(url, folder))
        with hold_run_lock(settings) as lock:
            for role in ROLES:
                lock.execute(
                    sql.SQL("create role {} login").format(sql.Identifier(login(role.name)))
                )
            grant(settings, lock)
            for role in ROLES:
                grant_login(settings, lock, role.name, login(role.name))
        loader = house.settings_of("loader")
        with hold_run_lock(loader) as lock:
            load(loader, lock)
        Warehouse(house.url("transformer"), folder, "default").dbt(*BUILD)
        run_retrain(house.settings_of("recommender"), only_if_needed=True, seed=1)
        run_recommend(house.settings_of("recommender"), None)
        yield house


def test_what_the_parts_make_belongs_to_their_roles(house: House) -> None:
    owners = house.warehouse.query(
        """
        select distinct nspname::text, pg_get_userbyid(relowner)::text
        from pg_class
        inner join pg_namespace on pg_namespace.oid = relnamespace
        where nspname !~ '^pg_' and nspname <> 'information_schema'
        """
    )

    owned = {(schema, f"{DATABASE}_{role.name}") for role in ROLES for schema in role.owns}
    owned |= {("ops", "listenhouse")}
    # nothing was imported or consumed, and no test failed
    without_tables = {
        ("raw_events_staging", f"{DATABASE}_loader"),
        ("raw_spotify_staging", f"{DATABASE}_loader"),
        ("test_failures", f"{DATABASE}_transformer"),
    }
    assert set(owners) == owned - without_tables
    assert house.warehouse.query("select count(*) from marts.fct_listens") == [(600,)]
    assert house.warehouse.query("select status from recommendations.trainings") == [("succeeded",)]
    assert house.warehouse.query("select count(*) from recommendations.recommendations") == [
        (60 * 20,)
    ]
    assert ("listenhouse recommend", "succeeded") in house.warehouse.query(
        "select command, status from ops.runs"
    )


@pytest.mark.parametrize(
    ("role", "statement"),
    [(role, statement) for role, statements in REFUSED.items() for statement in statements],
)
def test_a_role_may_do_nothing_beyond_its_part(house: House, role: str, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        house.run(role, statement)


@pytest.mark.parametrize("role", [role.name for role in ROLES])
def test_no_role_makes_what_is_in_no_table(house: House, role: str) -> None:
    schema = next(iter(next(one for one in ROLES if one.name == role).owns), "public")
    statements = [
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'x')",
        f"create function {schema}.mine() returns integer language sql as 'select 1'",
    ]
    if role != "recommender":
        # MLflow makes one
        statements.append("do 'begin end'")
    for statement in statements:
        with pytest.raises(errors.InsufficientPrivilege):
            house.run(role, statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [(role, statement) for role, statements in ALLOWED.items() for statement in statements],
)
def test_a_role_reads_what_it_is_for(house: House, role: str, statement: str) -> None:
    house.run(role, statement)


def test_tables_that_are_replaced_stay_readable(house: House) -> None:
    ((before,),) = house.warehouse.query("select 'marts.dim_genres'::regclass::oid")

    Warehouse(house.url("transformer"), house.warehouse.folder).dbt(
        "run", "--select", "dim_genres", "--full-refresh"
    )
    house.run("loader", "create table raw_moovitamix.albums (id bigint)")

    assert house.warehouse.query("select 'marts.dim_genres'::regclass::oid") != [(before,)]
    house.run("reader", "select from marts.dim_genres")
    house.run("transformer", "select from raw_moovitamix.albums")
    with pytest.raises(errors.InsufficientPrivilege):
        house.run("reader", "select from raw_moovitamix.albums")
    house.run("loader", "drop table raw_moovitamix.albums")


def test_monitoring_and_the_api_work_with_their_roles(house: House, tmp_path: Path) -> None:
    monitor = house.settings_of("monitor")

    parts = re.findall(r"scrape_part_success{part=\"(\w+)\"} (\S+)", read_metrics(monitor))
    assert parts
    assert [part for part, success in parts if success != "1.0"] == []
    assert health_page.write_page(monitor, tmp_path / "health.html").word
    assert listening_page.write_page(monitor, tmp_path / "listening.html", "marts").listen_count
    house.run(
        "monitor",
        "insert into ops.runs (run_id, command, trigger, attempt, code_version, host, pid, status,"
        " started_at, ended_at) values (gen_random_uuid(), 'listenhouse run', 'test', 1, 'x', 'x',"
        " 1, 'failed', clock_timestamp(), clock_timestamp())",
    )
    assert run_check(monitor)
    assert house.warehouse.query("select count(*) > 0 from ops.alerts") == [(True,)]
    with serving(house.settings_of("api_reader")) as client:
        assert client.get("/v1/users/1/recommendations").status_code == 200
        assert client.get("/v1/popular").status_code == 200


def test_personal_data_is_where_it_is_landed_and_staged_and_nowhere_else(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # a test fails whose rows are kept
    flip = "update candidate_marts.dim_users set is_current = not is_current where user_id = '1'"
    house.warehouse.execute(flip)
    broken = Warehouse(house.url("transformer"), tmp_path).command(
        *("dbt", "test", "--select", "dim_users", "stg_moovitamix__users"), environment={}
    )
    assert "FAIL 1" in broken.stdout
    (tmp_path / "stdout").write_text(broken.stdout)
    house.warehouse.execute(flip)
    relations = house.warehouse.query(
        "select table_schema::text, table_name::text from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema')"
    )
    with psycopg.connect(house.warehouse.url) as connection:
        said = {
            f"{schema}.{table}"
            for schema, table in relations
            for row in connection.execute(
                sql.SQL("select t::text from {} as t").format(sql.Identifier(schema, table))
            )
            if any(canary in row[0] for canary in CANARIES.values())
        }
    assert any(schema == "test_failures" for schema, _ in relations)
    assert said == {
        "raw_moovitamix.users",
        "raw_moovitamix.rejected_records",
        "staging.stg_moovitamix__users",
        "staging.stg_moovitamix__rejected_records",
    }

    monitor = house.settings_of("monitor")
    health_page.write_page(monitor, tmp_path / "health.html")
    listening_page.write_page(monitor, tmp_path / "listening.html", "marts")
    (tmp_path / "metrics.txt").write_text(read_metrics(monitor))
    with serving(house.settings_of("api_reader")) as client:
        for path in ("users/1/recommendations", "popular", "tracks/1/similar"):
            (tmp_path / path.replace("/", "-")).write_text(client.get(f"/v1/{path}").text)
    folders = (tmp_path, house.warehouse.folder)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert {"run_results.json", "health.html", "popular"} <= {file.name for file in files}
    assert any(file.suffix == ".jsonl" for file in files)
    for file in files:
        content = file.read_bytes()
        assert not [canary for canary in CANARIES.values() if canary.encode() in content], file
    assert not [canary for canary in CANARIES.values() if canary in caplog.text]


def test_a_session_of_another_login_holds_the_lock_and_is_named(house: House) -> None:
    with (
        hold_run_lock(house.settings_of("loader")),
        pytest.raises(BusyError, match=f"listenhouse run pid .*, as {login('loader')}, since"),
        hold_run_lock(house.settings_of("recommender").but(home=house.settings.home / "b")),
    ):
        pass


def test_a_login_that_acts_as_a_role_ends_merges_that_outlived_their_run(house: House) -> None:
    loader = house.settings_of("loader")
    with psycopg.connect(loader.database_url, application_name=LOADER_APPLICATION) as orphan:
        with hold_run_lock(loader):
            pass
        with pytest.raises(psycopg.OperationalError):
            orphan.execute("select 1")


def test_to_grant_again_takes_back_what_is_not_declared(house: House) -> None:
    house.warehouse.execute(
        f"grant select on raw_moovitamix.users to {DATABASE}_reader;"
        f" grant usage on schema raw_moovitamix to {DATABASE}_reader;"
        " create table marts.by_the_owner (id bigint)"
    )
    house.run("reader", "select from raw_moovitamix.users")

    with hold_run_lock(house.settings) as lock:
        granted = grant(house.settings, lock)

    assert (granted.created, granted.moved) == ((), 1)
    with pytest.raises(errors.InsufficientPrivilege):
        house.run("reader", "select from raw_moovitamix.users")
    house.run("transformer", "drop table marts.by_the_owner")


def test_one_login_writes_as_one_role(house: House) -> None:
    with connect(house.settings, "test") as connection:
        with pytest.raises(DatabaseError, match=f"writes as {DATABASE}_loader already"):
            grant_login(house.settings, connection, "recommender", login("loader"))
        with pytest.raises(DatabaseError, match="There is no login nobody_there"):
            grant_login(house.settings, connection, "loader", "nobody_there")
        with pytest.raises(DatabaseError, match="is a superuser"):
            grant_login(house.settings, connection, "loader", "listenhouse")


TRAP = """
    create table {0}.trap (user_id text);
    insert into {0}.trap values ('1');
    create function {0}.trigger_attack() returns trigger language plpgsql as $$ begin
        perform {0}.attack('');
        return old;
    end $$;
    create function {0}.attack(text) returns text immutable language plpgsql as $$ begin
        return {0}.escalate();
    end $$;
    create function {0}.escalate() returns text language plpgsql as $$ begin
        if session_user <> '{1}' then
            perform set_config('role', 'none', true);
            execute format('alter role %I superuser', '{1}');
        end if;
        return '';
    end $$;
"""

ATTACKS = {
    "trigger": "create trigger t before delete on {0}.trap for each row"
    " execute function {0}.trigger_attack()",
    "trigger at the commit": "create constraint trigger t after delete on {0}.trap"
    " deferrable initially deferred for each row execute function {0}.trigger_attack()",
    "rule": "create rule t as on delete to {0}.trap do also select {0}.attack('')",
    "rule with what PostgreSQL has": "create rule t as on delete to {0}.trap do also"
    " select set_config('role', 'none', false)",
    "rule without a call": "create rule t as on delete to {0}.trap do instead nothing",
    "check": "alter table {0}.trap add constraint t check ({0}.attack(user_id) is not null)",
    "default": "alter table {0}.trap alter user_id set default {0}.attack('')",
    "default that runs a text": "alter table {0}.trap alter user_id"
    " set default query_to_xml('select 1', true, true, '')::text",
    "generated column": "alter table {0}.trap add other text"
    " generated always as ({0}.attack(user_id)) stored",
    "index": "create index t on {0}.trap ({0}.attack(user_id))",
    "part of an index": "create index t on {0}.trap (user_id) where {0}.attack(user_id) = ''",
    "policy": "create policy t on {0}.trap using ({0}.attack(user_id) is not null)",
    "view": "create view {0}.trapped as select {0}.attack('') as user_id",
    "view of what PostgreSQL has": "create view {0}.trapped as select pg_advisory_lock(1)::text",
    "operator": "create operator {0}.## (rightarg = text, function = {0}.attack);"
    " create view {0}.trapped as select operator({0}.##) 'x'::text as user_id",
    "domain": "create domain {0}.trap_type as text check ({0}.attack(value) is not null)",
    "cast": "create type {0}.trap_type as enum ('1');"
    " create function {0}.text({0}.trap_type) returns text language sql as"
    " $$ select {0}.attack('') $$;"
    " create cast ({0}.trap_type as text) with function {0}.text({0}.trap_type) as implicit",
}
"""What runs with the rights of who uses a table, by kind; each names its schema."""

REMOVE = """
    drop table {0}.trap cascade;
    drop view if exists {0}.trapped;
    drop type if exists {0}.trap_type cascade;
    drop function {0}.trigger_attack(), {0}.attack(text), {0}.escalate() cascade;
"""

WRITERS = {
    "loader": "raw_moovitamix",
    "transformer": "marts",
    "recommender": "recommendations",
}
"""Roles that own tables, and a schema of each."""

COMMANDS: dict[str, Callable[[Settings], object]] = {
    "forget": lambda settings: run_forget(settings, "moovitamix", "1", agreed=True),
    "withdraw": lambda settings: run_withdrawal(settings, None, "", agreed=True),
    "redate": lambda settings: run_redate(settings, agreed=True),
    "prune": lambda settings: run_prune(settings, agreed=True),
    "vacuum": run_vacuum,
    "grant": lambda settings: run_grant(settings, None, None),
}
"""Commands of the owner, who may do everything."""


@pytest.fixture
def functions_allowed(house: House) -> Iterator[None]:
    """As where no superuser has run `listenhouse grant`: every login can make functions."""
    house.warehouse.execute("grant usage on language sql, plpgsql to public")
    yield
    house.warehouse.execute("revoke usage on language sql, plpgsql from public")


def planter(house: House, role: str) -> Callable[[str], None]:
    """What runs a statement as a role that owns tables, with its schema and login in it."""

    def plant(statement: str) -> None:
        house.run(role, statement.replace("{0}", WRITERS[role]).replace("{1}", login(role)))

    return plant


@pytest.mark.usefixtures("functions_allowed")
@pytest.mark.parametrize("kind", ATTACKS)
def test_whatever_a_role_can_hide_behind_a_table_is_found(house: House, kind: str) -> None:
    plant = planter(house, "loader")
    plant(TRAP + ATTACKS[kind])
    with connect(house.settings, "test") as connection:
        with pytest.raises(DatabaseError, match=r"raw_moovitamix\.trap"):
            refuse_foreign_code(connection)
        plant(REMOVE)
        refuse_foreign_code(connection)


@pytest.mark.usefixtures("functions_allowed")
@pytest.mark.parametrize("role", WRITERS)
def test_nothing_of_a_role_runs_with_the_rights_of_the_owner(house: House, role: str) -> None:
    schema, plant = WRITERS[role], planter(house, role)
    runs = "select count(*), max(started_at) from ops.runs"
    before = house.warehouse.query(runs)
    plant(TRAP + ATTACKS["trigger"])
    for name, command in COMMANDS.items():
        with pytest.raises(DatabaseError, match="Nothing was changed: what others wrote") as error:
            command(house.settings)
        named = f"the trigger t on {schema}.trap, which calls {schema}.trigger_attack"
        assert f"{named} (of {DATABASE}_{role})" in str(error.value), name
    findings = check_all(house.settings).findings
    assert any("the trigger t on" in finding.detail for finding in findings)
    assert house.warehouse.query(runs) == before
    rights = f"select rolsuper from pg_roles where rolname = '{login(role)}'"
    assert house.warehouse.query(rights) == [(False,)]
    # nor can it stop what others do with rights of their own
    with hold_run_lock(house.settings_of("recommender" if role == "loader" else "loader")):
        pass
    plant(REMOVE)
    run_vacuum(house.settings)


def test_a_table_that_is_administered_gets_no_trigger_meanwhile(house: House) -> None:
    # of the owner's own as well, where its schema is a role's
    house.warehouse.execute("create table raw_moovitamix.of_the_owner (id bigint)")
    attempts = [
        (
            role,
            f"create trigger t before delete on {table} for each row"
            " execute function suppress_redundant_updates_trigger()",
        )
        for role, table in (
            ("loader", "raw_moovitamix.users"),
            ("loader", "raw_moovitamix.of_the_owner"),
            ("transformer", "marts.dim_users"),
            ("recommender", "recommendations.recommendations"),
        )
    ]
    with connect(house.settings, "test") as connection, connection.transaction():
        hold_tables_still(connection)
        for role, statement in attempts:
            with pytest.raises(errors.LockNotAvailable):
                house.run(role, f"set lock_timeout = '50ms'; {statement}")
    house.warehouse.execute("drop table raw_moovitamix.of_the_owner")


@pytest.mark.usefixtures("functions_allowed")
def test_a_schema_named_as_the_owner_leads_nobody_astray(house: House) -> None:
    house.run(
        "transformer",
        "create schema listenhouse; create function listenhouse.concat_ws(text, text)"
        " returns text language sql as $$ select 'stolen' $$",
    )
    try:
        with connect(house.settings, "test") as connection:
            said = connection.execute("select concat_ws(' ', 'kept'::text)").fetchone()
        assert said == ("kept",)
    finally:
        house.run("transformer", "drop schema listenhouse cascade")


def test_no_other_role_holds_up_a_run(house: House) -> None:
    for role in ("api_reader", "reader", "pii_reader", "monitor", "transformer"):
        with psycopg.connect(house.url(role), autocommit=True) as session:
            session.execute("select pg_advisory_lock(%s)", (int.from_bytes(b"listenho", "big"),))
            with hold_run_lock(house.settings):
                pass
            with pytest.raises(DatabaseError, match=r"may not take the lock ops\.run_lock"):
                take(session, RUN_LOCK)
