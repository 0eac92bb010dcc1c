"""Crawls that are taken back, over real HTTP and in a real PostgreSQL."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion.landing import load as landing_module
from ingestion.landing.crawl_ledger import next_boundary
from ingestion.landing.load import LoadReport
from ingestion.landing.withdrawal import Withdrawal, WithdrawalError, plan_withdrawal, withdraw
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from tests.commands import run_command
from tests.ingestion.conftest import Landing
from tests.ingestion.scripted_api import ScriptedApi, history, track, user
from warehouse.errors import BusyError, LandingError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT

NAMES = [endpoint.name for endpoint in ENDPOINTS]

BAD = user(501, created_at="soon")
"""A record that is rejected."""

OTHER_BAD = user(502, created_at="later")


def take_back(landing: Landing, crawl_id: str | None = None, reason: str = "") -> Withdrawal:
    with hold_run_lock(landing.settings) as lock:
        withdrawal = plan_withdrawal(lock, LANDING_SCHEMA, NAMES, crawl_id)
        withdraw(lock, LANDING_SCHEMA, NAMES, withdrawal, reason)
    return withdrawal


def contents(landing: Landing) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of landing, whatever its place on disk."""
    return {
        table: landing.rows(
            f"select to_jsonb(t)::text from {LANDING_SCHEMA}.{table} as t order by 1"
        )
        for table in (*NAMES, "crawls", "rejected_records")
    }


def load_and_die(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that is merged and never committed."""

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(landing_module, "commit_crawl", die)
        with pytest.raises(KeyboardInterrupt):
            landing.load()


def two_days(landing: Landing, api: ScriptedApi) -> LoadReport:
    landing.load()
    api.records["users"][0] = user(1, gender="Male")
    api.records["users"].append(BAD)
    api.records["tracks"].remove(track(5))
    return landing.load()


def third_day(landing: Landing, api: ScriptedApi) -> LoadReport:
    """Changes what the second day changed, and more; mends one record, breaks another."""
    users = api.records["users"]
    users[0] = user(1, gender="Agender")
    users[1] = user(2, gender="Male")
    users.remove(user(9))
    users.remove(BAD)
    users += [user(501), OTHER_BAD]
    api.records["tracks"].append(track(5))
    api.records["listen_history"][2] = history(3, [7, 8])
    api.records["listen_history"].append(history(None, [1]))
    return landing.load()


def test_withdrawing_the_last_crawl_leaves_landing_as_it_was_before(
    landing: Landing, api: ScriptedApi
) -> None:
    two_days(landing, api)
    before = contents(landing)
    third_day(landing, api)
    assert contents(landing) != before

    withdrawal = take_back(landing)

    assert contents(landing) == before
    assert withdrawal.removed == {"users": 3, "tracks": 1, "listen_history": 2}
    assert withdrawal.reopened == {"users": 3, "tracks": 0, "listen_history": 1}
    assert withdrawal.unseen_rejections == 1


def test_withdrawing_an_earlier_crawl_takes_all_after_it(
    landing: Landing, api: ScriptedApi
) -> None:
    two_days(landing, api)
    before = contents(landing)
    third = third_day(landing, api)
    # closes what the third crawl opened, and sees its rejected record again
    api.records["users"][0] = user(1, gender="Polygender")
    api.records["users"].remove(user(501))
    fourth = landing.load()
    landing.load()

    withdrawal = take_back(landing, third.crawl.crawl_id)

    ids = [crawl.crawl_id for crawl in withdrawal.crawls]
    assert ids[:2] == [third.crawl.crawl_id, fourth.crawl.crawl_id]
    assert len(ids) == 3
    assert contents(landing) == before


def test_a_load_after_a_withdrawal_lands_what_the_source_holds(
    landing: Landing, api: ScriptedApi
) -> None:
    two_days(landing, api)
    third = third_day(landing, api)
    take_back(landing)

    again = landing.load()

    assert again.opened == third.opened
    assert again.closed == third.closed
    assert again.crawl.figures == third.crawl.figures


@pytest.mark.parametrize("dies", ["before", "after"])
def test_the_rests_of_a_load_that_died_go_too(
    landing: Landing, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    two_days(landing, api)
    before = contents(landing)
    api.records["users"][3] = user(4, gender="Male")
    if dies == "before":
        load_and_die(landing, monkeypatch)
        api.records["users"][3] = user(4, gender="Agender")
    third_day(landing, api)
    if dies == "after":
        api.records["users"][3] = user(4, gender="Polygender")
        load_and_die(landing, monkeypatch)

    take_back(landing)

    assert contents(landing) == before


def test_withdrawing_the_first_crawl_leaves_nothing_and_any_source_can_follow(
    landing: Landing, api: ScriptedApi
) -> None:
    first = landing.load()
    take_back(landing, first.crawl.crawl_id)
    assert set(map(len, contents(landing).values())) == {0}

    # another world: with versions left behind it would be refused
    api.records["users"] = [user(number) for number in range(1000, 1010)]
    assert landing.load().opened["users"] == 10


def test_a_rejection_that_the_withdrawn_crawl_resolved_is_open_again(
    landing: Landing, api: ScriptedApi
) -> None:
    second = two_days(landing, api)
    api.records["users"].remove(BAD)
    landing.load()
    assert landing.rows("select resolved_at is null from raw_moovitamix.rejected_records") == [
        (False,)
    ]

    take_back(landing)

    assert landing.rows(
        "select last_seen_at, resolved_at from raw_moovitamix.rejected_records"
    ) == [(second.crawl.boundary_at, None)]


def test_no_boundary_is_ever_used_twice(
    landing: Landing, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(landing, api)
    api.records["users"][3] = user(4, gender="Male")
    load_and_die(landing, monkeypatch)
    ((used,),) = landing.rows("select max(_dlt_valid_from) from raw_moovitamix.users")
    take_back(landing)

    # also when the clock has jumped back
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert next_boundary(landing.connection, LANDING_SCHEMA, NAMES, long_ago) > used
    take_back(landing)
    assert next_boundary(landing.connection, LANDING_SCHEMA, NAMES, long_ago) > used


def test_a_withdrawn_crawl_leaves_a_trace(landing: Landing, api: ScriptedApi) -> None:
    two_days(landing, api)
    third = third_day(landing, api)
    take_back(landing, reason="the source was a test system")

    assert landing.rows(
        """
        select
            crawl_id, load_id, boundary_at, started_at, code_version, reason,
            withdrawn_at > committed_at, withdrawn_by like '% on %, as listenhouse'
        from raw_moovitamix.withdrawn_crawls
        """
    ) == [
        (
            third.crawl.crawl_id,
            third.crawl.load_id,
            third.crawl.boundary_at,
            third.crawl.started_at,
            third.crawl.code_version,
            "the source was a test system",
            True,
            True,
        )
    ]
    ((figures,),) = landing.rows("select figures -> 'users' from raw_moovitamix.withdrawn_crawls")
    assert figures == {
        "reported": 251,
        "landed": 250,
        "duplicates": 0,
        "rejected": 1,
        "carried": 0,
        "forgotten": 0,
        "opened": 3,
        "closed": 3,
    }
    take_back(landing)
    assert landing.rows("select count(*) from raw_moovitamix.withdrawn_crawls") == [(2,)]


def test_nothing_is_withdrawn_while_a_run_is_under_way(landing: Landing) -> None:
    landing.load()
    with hold_run_lock(landing.settings), pytest.raises(BusyError):
        take_back(landing)
    assert landing.rows("select count(*) from raw_moovitamix.crawls") == [(1,)]


def test_landing_that_cannot_be_set_back_is_left_as_it_is(
    landing: Landing, api: ScriptedApi
) -> None:
    two_days(landing, api)
    third_day(landing, api)
    # a second version of user 9 that the third crawl closed
    landing.connection.execute(
        """
        insert into raw_moovitamix.users
        select * from raw_moovitamix.users where id = 9
        """
    )
    before = contents(landing)

    with pytest.raises(LandingError, match=r"users_one_current_version.*listenhouse check"):
        take_back(landing)
    assert contents(landing) == before
    assert "raw_moovitamix.withdrawn_crawls" not in landing.tables()


def test_a_crawl_that_there_is_not_is_refused_with_those_there_are(landing: Landing) -> None:
    with pytest.raises(WithdrawalError, match="nothing is landed"):
        take_back(landing)
    first, second = landing.load(), landing.load()

    with pytest.raises(WithdrawalError) as refusal:
        take_back(landing, "17")
    listed = str(refusal.value)
    assert listed.index(second.crawl.crawl_id) < listed.index(first.crawl.crawl_id)
    assert f"{second.crawl.boundary_at:%F %T}" in listed

    take_back(landing)
    with pytest.raises(WithdrawalError, match="was withdrawn already, at 20"):
        take_back(landing, second.crawl.crawl_id)


@pytest.fixture
def environment(landing: Landing, tmp_path: Path) -> dict[str, str]:
    """Points the command at the test's warehouse."""
    return {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_DATABASE_URL": landing.settings.database_url,
        "LISTENHOUSE_API_URL": landing.settings.api_url,
    }


def test_the_command_withdraws_and_says_what_to_do_next(
    landing: Landing, environment: dict[str, str]
) -> None:
    landing.load()
    second = landing.load()

    unknown = run_command("listenhouse", "withdraw", "17", "--yes", environment=environment)
    assert unknown.returncode == 1
    assert unknown.stderr.count("\n") == 1
    assert second.crawl.crawl_id in unknown.stderr

    unasked = run_command("listenhouse", "withdraw", environment=environment)
    assert unasked.returncode == 1
    assert "add --yes" in unasked.stderr
    assert landing.rows("select count(*) from raw_moovitamix.crawls") == [(2,)]

    command = ("listenhouse", "withdraw", second.crawl.crawl_id, "--yes", "--reason", "a test")
    withdrawn = run_command(*command, environment=environment)
    assert withdrawn.returncode == 0, withdrawn.stderr
    assert second.crawl.crawl_id in withdrawn.stdout
    assert "Withdrew 1 crawl; landing is as of" in withdrawn.stdout
    assert "dbt build" in withdrawn.stdout
    assert landing.rows("select reason from raw_moovitamix.withdrawn_crawls") == [("a test",)]

    last = run_command("listenhouse", "withdraw", "--yes", environment=environment)
    assert "no crawl is left" in last.stdout


def test_the_command_asks_on_a_terminal(landing: Landing, environment: dict[str, str]) -> None:
    landing.load()
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard:
        keyboard.write(b"n\n")
        asked = subprocess.run(
            [str(Path(sys.executable).parent / "listenhouse"), "withdraw"],
            cwd=PROJECT_ROOT,
            env=os.environ | environment,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(theirs)

    assert asked.returncode == 1
    assert "Withdraw this crawl?" in asked.stdout
    assert "Nothing was changed" in asked.stdout
    assert landing.rows("select count(*) from raw_moovitamix.crawls") == [(1,)]
