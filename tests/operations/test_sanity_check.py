"""Every check passes on a healthy warehouse, and fails where something is broken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ingestion.landing.load import load
from ingestion.landing.withdrawal import plan_withdrawal, withdraw
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from operations.checks.check_result import CheckResult, CheckStatus
from operations.checks.sanity_check import SanityReport, check_all
from operations.checks.sanity_table import to_json
from operations.redate_command import run_redate
from tests.commands import run_command
from tests.conftest import copied_database, empty_database, free_port
from tests.ingestion.scripted_api import Answer, ScriptedApi, history, serve, track, user
from tests.recommendations import decide, recommend
from warehouse.errors import ClockError, ConsentError
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

REJECTED_NAME = "Mathilde"
"""Stands in a rejected record, which no output may show."""

TABLES = {
    name: f"raw_moovitamix.{name}"
    for name in ("users", "tracks", "listen_history", "crawls", "rejected_records")
}

CHANGED_LAST = "id = 1 and _dlt_valid_to = (select max(boundary_at) from {crawls})"


@dataclass(frozen=True)
class Damage:
    """What is broken, and the finding that must name it; tables stand in braces."""

    statements: str
    check: str
    subject: str
    expected: str


DAMAGE = {
    "a gap that no crawl explains": Damage(
        "update {users} set _dlt_valid_to = _dlt_valid_to - interval '1 microsecond'"
        f" where {CHANGED_LAST}",
        "versions",
        "users",
        "1 version that ended before the next one starts, at a time of no crawl, of id 1",
    ),
    "an overlap": Damage(
        "update {users} set _dlt_valid_to = _dlt_valid_to + interval '1 microsecond'"
        f" where {CHANGED_LAST}",
        "versions",
        "users",
        "1 version still valid when the next one starts, of id 1",
    ),
    "an empty interval": Damage(
        "update {users} set _dlt_valid_to = _dlt_valid_from where id = 3",
        "versions",
        "users",
        "1 version valid at no time, of id 3",
    ),
    "a version stored twice": Damage(
        "insert into {users} select * from {users} where id = 3",
        "versions",
        "users",
        "1 version stored twice, of id 3",
    ),
    "two current versions": Damage(
        "insert into {users} select * from {users} where id = 3;"
        " update {users} set row_hash = '0' where ctid = (select max(ctid) from {users})",
        "versions",
        "users",
        "2 versions current beside another of the same key, of id 3 and id 3",
    ),
    "a key that is null": Damage(
        "update {users} set id = null where id = 3", "versions", "users", "1 version without key"
    ),
    "a part of a key that is null": Damage(
        "update {listen_history} set created_at = null where user_id = 1",
        "versions",
        "listen_history",
        "of user_id 1 created_at null",
    ),
    "a hash that is null": Damage(
        "alter table {users} alter row_hash drop not null;"
        " update {users} set row_hash = null where id = 3",
        "versions",
        "users",
        "1 version without key, hash or start, of id 3",
    ),
    "a version lost": Damage(
        "delete from {tracks} where id = 4",
        "conservation",
        "tracks",
        "30 landed + 0 carried, but landing holds 29 versions as of it (and 2 others)",
    ),
    "tracks lost": Damage(
        "delete from {tracks} where id < 25",
        "conservation",
        "tracks",
        "30 landed + 0 carried, but landing holds 6 versions as of it (and 2 others)",
    ),
    "users lost": Damage(
        "delete from {users}", "conservation", "users", "but landing holds 0 versions as of it"
    ),
    "a column gone": Damage(
        "alter table {tracks} drop column album", "columns", "tracks", "lacks album"
    ),
    "a column of another type": Damage(
        "alter table {tracks} alter column album type integer using 1",
        "columns",
        "tracks",
        "has album as integer",
    ),
    "a variant column": Damage(
        "alter table {tracks} add column duration__v_bigint bigint",
        "columns",
        "tracks",
        "has the variant column duration__v_bigint",
    ),
    "a table gone": Damage("drop table {tracks}", "columns", "tracks", "the table is gone"),
    "marts ahead of landing": Damage(
        "create schema staging; create table staging.base_crawls__committed as table {crawls};"
        " delete from {crawls} where boundary_at = (select max(boundary_at) from {crawls})",
        "marts",
        "",
        "built from 1 crawl that landing no longer holds",
    ),
    "marts behind landing": Damage(
        "create schema staging; create table staging.base_crawls__committed as"
        " select * from {crawls} order by boundary_at limit 2",
        "marts",
        "",
        "1 crawl behind landing: `dbt build`",
    ),
    "a fact ahead of its crawls": Damage(
        "create schema staging; create table staging.base_crawls__committed as"
        " select crawl_id, boundary_at at time zone 'UTC' as boundary_at from {crawls};"
        " create schema marts; create table marts.fct_listens as"
        " select timestamp '2999-01-01' as record_changed_at",
        "marts",
        "",
        "fct_listens holds changes later than the last crawl",
    ),
}


STATES = """
    select place, id, row_hash
    from (
        select boundary_at, row_number() over (order by boundary_at) as place
        from raw_moovitamix.crawls
    ) as crawls
    inner join raw_moovitamix.users
        on
            _dlt_valid_from <= boundary_at
            and coalesce(_dlt_valid_to, 'infinity') > boundary_at
    order by place, id
"""
"""What landing holds as of each crawl."""

TIMES = """
    select format('%I.%I', table_schema, table_name), column_name
    from information_schema.columns
    where
        table_schema in ('raw_moovitamix', 'raw_spotify', 'recommendations', 'ops')
        and data_type = 'timestamp with time zone'
    order by 1, 2
"""
"""Every column that a boundary or a clock can be in."""


@dataclass(frozen=True)
class House:
    """A warehouse that can be cloned, and the API that it was loaded from."""

    settings: Settings
    api: ScriptedApi

    @contextmanager
    def clone(self) -> Iterator[Settings]:
        """Settings for a copy of the warehouse, which a test may damage."""
        with copied_database(self.settings.database_url, "clone") as url:
            yield self.settings.but(external_database_url=url)


@pytest.fixture(scope="module")
def house(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three crawls: records changed, vanished and returned, one is in quarantine."""
    api = ScriptedApi()
    bad = user(501, first_name=REJECTED_NAME, created_at="soon")
    api.records = {
        "users": [*(user(number) for number in range(1, 251)), bad],
        "tracks": [track(number) for number in range(1, 31)],
        "listen_history": [history(1, [1, 2, 1]), history(2, [3]), history(3, [])],
    }
    with empty_database(postgres_server, "house") as url, serve(api):
        settings = Settings(
            home=tmp_path_factory.mktemp("house"),
            external_database_url=url,
            external_api_url=api.url,
            request_attempts=1,
        )
        for gender in ("Female", "Male", "Agender"):
            api.records["users"][0] = user(1, gender=gender)
            if gender == "Male":
                api.records["users"].remove(user(2))
                api.records["users"].append(user(251))
            if gender == "Agender":
                api.records["users"][-1] = user(2)
            with hold_run_lock(settings) as lock:
                load(settings, lock)
        yield House(settings, api)


def damage(settings: Settings, statements: str) -> None:
    """Runs statements with the names of landing tables in braces."""
    with psycopg.connect(settings.database_url) as connection:
        # it stands against much of the damage
        connection.execute("drop index raw_moovitamix.users_one_current_version")
        connection.execute(statements.format(**TABLES).encode())


def wrong(report: SanityReport) -> list[CheckResult]:
    return [finding for finding in report.findings if finding.status is CheckStatus.WRONG]


def statuses(report: SanityReport) -> dict[tuple[str, str], str]:
    return {(finding.check, finding.subject): finding.status for finding in report.findings}


def test_nothing_is_wrong_in_a_healthy_warehouse(house: House) -> None:
    endpoints = ("users", "tracks", "listen_history")
    assert statuses(check_all(house.settings)) == {
        **{("source", endpoint): "ok" for endpoint in endpoints},
        ("source", "users"): "note",
        **{("columns", endpoint): "ok" for endpoint in endpoints},
        ("loads", "crawls"): "ok",
        **{("versions", endpoint): "ok" for endpoint in endpoints},
        **{("conservation", endpoint): "ok" for endpoint in endpoints},
        ("rejected", "users"): "note",
        # which dbt's tests and the rules judge: tests/dbt_project/test_findings.py
        ("marts", ""): "note",
        ("health", ""): "note",
    }


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(house: House, name: str) -> None:
    planted = DAMAGE[name]
    with house.clone() as settings:
        damage(settings, planted.statements)
        found = wrong(check_all(settings))
    assert planted.expected in " ".join(
        finding.detail
        for finding in found
        if (finding.check, finding.subject) == (planted.check, planted.subject)
    ), found


def test_what_is_worth_knowing_but_not_wrong_is_noted(house: House) -> None:
    with house.clone() as settings:
        damage(
            settings,
            """
            alter table {tracks} add column mood json;
            insert into {tracks} (id, row_hash, _dlt_valid_from) values (31, '31', now());
            """,
        )
        report = check_all(settings)
    assert wrong(report) == []
    notes = [
        f"{finding.check} {finding.subject}: {finding.detail}"
        for finding in report.findings
        if finding.status is CheckStatus.NOTE
    ]
    for expected in (
        "columns tracks: as declared, and fields that the API added: mood",
        "loads tracks: 1 version touched by a load that is under way or died",
    ):
        assert any(note.startswith(expected) for note in notes), notes


def test_a_withdrawn_crawl_is_noted_and_leaves_nothing_wrong(house: House) -> None:
    with house.clone() as settings:
        with hold_run_lock(settings) as lock:
            names = [endpoint.name for endpoint in ENDPOINTS]
            plan = plan_withdrawal(lock, LANDING_SCHEMA, names, None)
            withdraw(lock, LANDING_SCHEMA, names, plan, "a test")
        report = check_all(settings)
    assert wrong(report) == []
    assert statuses(report)["loads", "withdrawn_crawls"] == "note"


@pytest.mark.parametrize("is_server_right", [True, False])
def test_what_a_clock_left_in_the_future_is_found_and_set_back_without_loss(
    house: House, *, is_server_right: bool
) -> None:
    with house.clone() as settings, psycopg.connect(settings.database_url) as connection:
        connection.autocommit = True
        states = connection.execute(STATES).fetchall()
        crawls = "select boundary_at, committed_at from raw_moovitamix.crawls order by 1"
        before = connection.execute(crawls).fetchall()
        today = datetime.now(UTC).date()
        for day, (boundary, _) in ((today, before[0]), (today + timedelta(days=30), before[-1])):
            recommend(connection, day, boundary, {"1": [str(day.day)]}, {"1": ["2"]})
        decide(connection, before[-1][0], "fell_back")
        record = RunRecord(settings, "listenhouse run")
        with record.run():
            record.begin()
            with record.step("load"):
                pass
        connection.execute(
            """
            create schema raw_spotify;
            create table raw_spotify.streams as select now() as landed_at;
            create table raw_spotify.account_streams as table raw_spotify.streams
            """
        )
        # the first was committed before the clock ran ahead
        for table, column in connection.execute(TIMES).fetchall():
            if not (is_server_right and column == "committed_at"):
                connection.execute(
                    f"update {table} set {column} = {column} + interval '30 days'"
                    f" where {column} > '{before[0][1]}' and {column} < now()".encode()
                )
        ahead = connection.execute(crawls).fetchall()[-1][0]

        found, imports = wrong(check_all(settings))
        assert (found.check, found.subject) == ("clock", "crawls")
        assert (imports.check, imports.subject) == ("clock", "imports")
        house.api.calls.clear()
        with hold_run_lock(settings) as lock, pytest.raises(ClockError) as refused:
            load(settings, lock)
        # before the crawl
        assert not house.api.calls
        for told in (found.detail, str(refused.value)):
            assert re.search(r"29 days, .+ `listenhouse redate`", told)

        with pytest.raises(ConsentError, match="no terminal to ask on"):
            run_redate(settings, agreed=False)
        assert connection.execute(crawls).fetchall()[-1][0] == ahead
        assert run_redate(settings, agreed=True)

        assert wrong(check_all(settings)) == []
        assert connection.execute(STATES).fetchall() == states
        after = connection.execute(crawls).fetchall()
        assert after[0] == before[0]
        for table, column in connection.execute(TIMES).fetchall():
            # none was forgotten
            assert connection.execute(
                f"select count(*) from {table} where {column} > clock_timestamp()".encode()
            ).fetchone() == (0,), (table, column)
        assert connection.execute(
            "select count(*) from ops.runs where ended_at < started_at"
        ).fetchone() == (0,)
        boundaries = [boundary for boundary, _ in after]
        assert boundaries[0] < boundaries[1] < boundaries[2] < datetime.now(UTC)
        if is_server_right:
            assert after[1:] == [(committed, committed) for _, committed in before[1:]]
        for column, table in (
            ("for_date", "recommendations.batches"),
            ("decided_at::date", "recommendations.promotions"),
        ):
            assert connection.execute(f"select {column} from {table}".encode()).fetchall() == [
                (today,)
            ]
        # again, there is nothing to ask
        assert run_redate(settings, agreed=False)
        if is_server_right:
            return
        with hold_run_lock(settings) as lock:
            report = load(settings, lock)
        assert (report.opened["users"], report.closed["users"]) == (0, 0)
        assert boundaries[-1] < report.crawl.boundary_at < datetime.now(UTC)


def test_a_source_that_went_wrong_is_found(house: House) -> None:
    api = ScriptedApi()
    api.records = {
        "users": house.api.records["users"][:100],
        "tracks": house.api.records["tracks"],
        "listen_history": house.api.records["listen_history"],
    }
    api.totals["tracks"] = 31
    # which is nothing wrong
    api.most_rows = 50
    api.fault = lambda _api, endpoint, _page, _call: (
        Answer(b'{"detail": "other"}') if endpoint == "listen_history" else None
    )
    with serve(api):
        found = wrong(check_all(house.settings.but(external_api_url=api.url)))
    details = {finding.subject: finding.detail for finding in found}
    assert {finding.check for finding in found} == {"source"}
    assert "reports 100 rows, less than 80% of the 250 landed" in details["users"]
    assert "its last page holds 0 where 1 are due" in details["tracks"]
    assert "without a list `items`" in details["listen_history"]


def test_a_total_that_changes_between_two_pages_is_noted(house: House) -> None:
    api = ScriptedApi()
    api.records = dict(house.api.records)
    # the crawl answers for what moves; the check only says so
    api.fault = lambda api, endpoint, page, _call: (
        Answer(api.page(endpoint, page, 100).replace(b'"total":251', b'"total":250'))
        if page > 1
        else None
    )
    with serve(api):
        report = check_all(house.settings.but(external_api_url=api.url))
    assert wrong(report) == []
    assert "on the move: reports 251 rows, then 250" in report.findings[0].detail


def test_no_output_shows_what_a_rejected_record_says(house: House) -> None:
    with psycopg.connect(house.settings.database_url) as connection:
        row = connection.execute(
            "select record, record_hash from raw_moovitamix.rejected_records"
        ).fetchone()
    assert row is not None
    assert REJECTED_NAME in row[0]
    environment = {
        "LISTENHOUSE_DATABASE_URL": house.settings.database_url,
        "LISTENHOUSE_API_URL": house.settings.api_url,
    }

    plain = run_command("listenhouse", "check", environment=environment)
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert "1 record in quarantine: Invalid RFC3339 encoded datetime" in plain.stdout
    assert "Nothing wrong" in plain.stdout
    assert row[1] not in plain.stdout

    command = ("listenhouse", "check", "--rejected")
    listed = run_command(*command, environment=environment)
    assert row[1] in listed.stdout

    machine = run_command(*command, "--json", environment=environment)
    content = json.loads(machine.stdout)
    assert content["wrong"] == 0
    assert content["rejected"][0]["record_hash"] == row[1]
    assert {"check", "subject", "status", "detail", "figures"} == set(content["findings"][0])
    for outcome in (plain, listed, machine):
        assert REJECTED_NAME not in outcome.stdout + outcome.stderr
        assert outcome.stderr == ""


def test_before_any_load_only_the_source_is_judged(house: House, database_url: str) -> None:
    report = check_all(house.settings.but(external_database_url=database_url))
    assert wrong(report) == []
    assert "nothing is landed yet" in to_json(report, list_rejections=True)


def test_a_source_and_a_database_that_are_down_are_findings(tmp_path: Path) -> None:
    environment = {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_DATABASE_URL": f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/music",
        "LISTENHOUSE_API_URL": f"http://127.0.0.1:{free_port()}",
        "LISTENHOUSE_REQUEST_ATTEMPTS": "1",
        "COLUMNS": "400",
    }
    outcome = run_command("listenhouse", "check", environment=environment)

    assert outcome.returncode == 1
    assert "4 things wrong" in outcome.stdout
    assert "cannot be reached for /users page 1 (connection refused)" in outcome.stdout
    assert "check LISTENHOUSE_DATABASE_URL and that the server runs" in outcome.stdout
    assert "hunter2" not in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_user_who_may_not_read_landing_is_a_finding(house: House) -> None:
    with house.clone() as settings:
        damage(
            settings,
            "create role stranger login; grant usage on schema raw_moovitamix to stranger;"
            # sees that there are columns, and nothing in them
            " grant insert on all tables in schema raw_moovitamix to stranger",
        )
        url = settings.database_url.replace("listenhouse@", "stranger@")
        report = check_all(settings.but(external_database_url=url))
        with psycopg.connect(settings.database_url) as connection:
            connection.execute("drop owned by stranger; drop role stranger")
    assert "permission denied" in " ".join(finding.detail for finding in wrong(report))
