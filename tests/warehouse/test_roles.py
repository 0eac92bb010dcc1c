"""Each part of the house runs under a login of its own, and none can do more than it must."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from ingestion.landing import load
from monitoring import health_page, listening_page
from monitoring.alerts.command import run_check
from monitoring.prometheus_metrics import read_metrics
from recommender.command import run_recommend, run_retrain
from tests.conftest import DATABASE, empty_database, free_port
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from tests.roles import roles_dropped
from tests.serving.conftest import serving
from warehouse.database import connect
from warehouse.errors import BusyError, DatabaseError
from warehouse.roles import ROLES, grant, grant_login
from warehouse.run_lock import LOADER_APPLICATION, hold_run_lock
from warehouse.settings import Settings

REFUSED = {
    "loader": (
        "select from marts.dim_users",
        "select from staging.stg_moovitamix__users",
        "select from recommendations.recommendations",
        "create schema mine",
        "create table public.mine ()",
    ),
    "transformer": (
        "insert into raw_moovitamix.users select * from raw_moovitamix.users",
        "delete from raw_moovitamix.rejected_records",
        "delete from recommendations.batches",
        "delete from ops.runs",
        "select from mlflow.model_versions",
        "create table raw_moovitamix.mine ()",
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
        "delete from ops.alerts",
        "delete from marts.fct_listens",
        "create table ops.mine ()",
    ),
    "reader": (
        "select email from staging.stg_moovitamix__users",
        "select email from raw_moovitamix.users",
        "select from raw_moovitamix.rejected_records",
        "select from intermediate.int_users_versioned",
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
        return replace(self.settings, external_database_url=self.url(role))

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
        Warehouse(house.url("transformer"), folder).dbt(*BUILD_UNTESTED)
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
    # nothing was imported, and no test failed
    without_tables = {
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
    flip = "update marts.dim_users set is_current = not is_current where user_id = '1'"
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
        pytest.raises(BusyError, match=f"a session of the login {login('loader')}"),
        hold_run_lock(replace(house.settings_of("recommender"), home=house.settings.home / "b")),
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
