"""A crawl drops what is of forgotten people, and an erasure is whole or goes on."""

from __future__ import annotations

import psycopg
import pytest

from operations.checks.check_result import CheckStatus
from operations.checks.erasures import check_erasures
from operations.erasure.errors import ErasureError
from operations.erasure.forget_command import run_forget
from operations.roles import grant
from tests.conftest import DATABASE
from tests.ingestion.conftest import Landing
from tests.ingestion.scripted_api import ScriptedApi, user
from tests.roles import roles_dropped
from warehouse.errors import ConsentError
from warehouse.run_lock import hold_run_lock

FORMS = (
    "user1@example.org",
    "USER1@Example.Org",
    " User1@example.org\t",
    "mailto:user1@example.org",
    "Ada Ng <user1@example.org>",
    "https://example.org/?to=user1%40example.org",
    "\N{FULLWIDTH LATIN SMALL LETTER U}ser1\N{FULLWIDTH COMMERCIAL AT}example.org",
    "user1\N{ZERO WIDTH SPACE}@example.org",
)
"""How records say the address of user 1."""


def test_an_erasure_that_was_cut_short_is_completed_by_the_next(
    landing: Landing, api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    # its key is readable, and so is the part of another that has none
    api.records["users"][4] = b'{"id": "5", "email": "\\u0000user5@example.org"}'
    api.records["users"] += [{"id": None, "email": email} for email in FORMS]
    api.records["users"].append(b'{"id": null, "email": "\\u0055ser1\\u0040example.org\\n"}')
    # of somebody else
    api.records["users"].append({"id": None, "email": "Auser1@example.org"})
    landing.load()
    open_erasures = "select count(*) from raw_moovitamix.erasures where completed_at is null"

    with psycopg.connect(landing.settings.database_url) as watcher:
        watcher.execute("set transaction isolation level repeatable read")
        watcher.execute("select count(*) from raw_moovitamix.users")
        with pytest.raises(ErasureError, match=r"the session .+ end it, and run this again"):
            run_forget(landing.settings, "moovitamix", "1", agreed=True)
    assert landing.rows(open_erasures) == [(1,)]

    # what is only in quarantine is found as well
    for user_id in ("1", "1", "5"):
        assert run_forget(landing.settings, "moovitamix", user_id, agreed=True)
        assert "Forgotten" in capsys.readouterr().out
    assert landing.rows(open_erasures) == [(0,)]
    assert landing.rows("select record from raw_moovitamix.rejected_records") == [
        ('{"id": null, "email": "Auser1@example.org"}',)
    ]
    # an id that nobody has is a mistake, and an address no id
    with pytest.raises(ErasureError, match="no table has a row of a user of moovitamix"):
        run_forget(landing.settings, "moovitamix", "4711", agreed=True)
    with pytest.raises(ErasureError, match=r"^This is not a user id"):
        run_forget(landing.settings, "moovitamix", "user7@example.org", agreed=True)
    with pytest.raises(ErasureError, match="give one of moovitamix, spotify"):
        run_forget(landing.settings, "spotfy", "7", agreed=True)
    with pytest.raises(ConsentError, match="no terminal to ask on"):
        run_forget(landing.settings, "moovitamix", "7", agreed=False)
    assert landing.rows("select count(*) from raw_moovitamix.erasures") == [(2,)]
    assert landing.rows("select count(*) from raw_moovitamix.users where id = 7") == [(1,)]

    # the records without an id are served still, and say an address that was theirs
    report = landing.load()

    assert (report.closed["users"], report.opened["users"]) == (0, 0)
    assert report.crawl.figures["users"].forgotten == 2 + len(FORMS) + 1
    assert report.crawl.figures["listen_history"].forgotten == 1
    assert report.crawl.figures["users"].rejected == 1


def test_what_a_rejected_track_says_is_named_and_left_to_people(
    landing: Landing, api: ScriptedApi
) -> None:
    api.records["tracks"].append({"id": None, "name": "user7@example.org"})
    landing.load()
    for _ in range(2):
        with pytest.raises(ErasureError, match=r"left in raw_moovitamix\.rejected_records \(1\)"):
            run_forget(landing.settings, "moovitamix", "7", agreed=True)
    assert landing.rows("select endpoint from raw_moovitamix.rejected_records") == [("tracks",)]


def test_what_is_left_of_a_person_keeps_the_erasure_open(
    landing: Landing, api: ScriptedApi
) -> None:
    # others whose addresses have theirs in them, and one who has the same in quarantine
    api.records["users"][2]["email"] = "a.user2@example.org"
    api.records["users"][3]["email"] = "user2@example.org.au"
    api.records["users"].append(user(251, email="User6@example.org", gender=1))
    landing.load()
    landing.connection.execute(
        "create materialized view theirs as select id as user_id from raw_moovitamix.users;"
        " create table letters as select 'Dear User2@EXAMPLE.org.' as text, array['x'] as tags;"
        " create table lists as select array['a', 'user2%40example.org'] as people"
    )
    log = landing.settings.log_directory / "old.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("to \N{EURO SIGN} USER2@example.org, a.user2@example.org")

    for left in (r"public\.theirs \(1\), public\.letters \(1\), public\.lists \(1\)", "letters"):
        with pytest.raises(ErasureError, match=left):
            run_forget(landing.settings, "moovitamix", "2", agreed=True)
        # their address is gone from landing, and looked for still
        landing.connection.execute("refresh materialized view theirs; drop table if exists lists")
    assert log.read_text() == "to \N{EURO SIGN} *****************, a.user2@example.org"
    (finding,) = check_erasures(landing.connection)
    assert (finding.status, finding.figures) == (CheckStatus.WRONG, {"open": 1})

    landing.connection.execute("drop table letters; drop materialized view theirs")
    for person in ("2", "6"):
        assert run_forget(landing.settings, "moovitamix", person, agreed=True)
    assert check_erasures(landing.connection) == []
    assert landing.rows("select count(*) from raw_moovitamix.erasures where sought is null") == [
        (2,)
    ]
    assert landing.rows("select count(*) from raw_moovitamix.users where id in (3, 4)") == [(2,)]
    assert landing.rows("select count(*) from raw_moovitamix.rejected_records") == [(1,)]


def test_an_owner_who_is_no_superuser_grants_loads_and_forgets(
    landing: Landing, postgres_server: str
) -> None:
    landing.load()
    with roles_dropped(postgres_server, "plain_owner", "onlooker"):
        landing.connection.execute("create role plain_owner login; create role onlooker login")
        landing.connection.execute(f"alter database {DATABASE} owner to plain_owner")
        landing.connection.execute(f"grant connect on database {DATABASE} to onlooker")
        try:
            # an administrator does it for them
            with hold_run_lock(landing.settings) as lock:
                grant(landing.settings, lock)
            landing.connection.execute(f"grant connect on database {DATABASE} to onlooker")
            url = landing.settings.database_url.replace("//listenhouse@", "//{}@")
            owner = landing.settings.but(external_database_url=url.format("plain_owner"))
            assert Landing(owner, landing.connection).load().crawl.figures["users"].landed == 250

            with psycopg.connect(url.format("onlooker")) as watcher:
                watcher.execute("set transaction isolation level repeatable read")
                watcher.execute("select 1")
                with pytest.raises(ErasureError, match="the session onlooker"):
                    run_forget(owner, "moovitamix", "1", agreed=True)
            assert run_forget(owner, "moovitamix", "1", agreed=True)
        finally:
            landing.connection.execute(f"alter database {DATABASE} owner to listenhouse")


def test_nothing_is_erased_beside_a_build(landing: Landing) -> None:
    landing.load()
    with (
        psycopg.connect(landing.settings.database_url, application_name="dbt"),
        pytest.raises(ErasureError, match="a session of dbt is under way"),
    ):
        run_forget(landing.settings, "moovitamix", "1", agreed=True)
    assert landing.rows("select count(*) from raw_moovitamix.users where id = 1") == [(1,)]


def test_half_a_key_is_no_key(landing: Landing) -> None:
    landing.load()
    # what a power cut can leave of a file
    landing.settings.erasure_key_file.write_bytes(b"")
    assert run_forget(landing.settings, "moovitamix", "1", agreed=True)
    assert landing.load().crawl.figures["users"].forgotten == 1
