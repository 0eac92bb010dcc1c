"""A crawl drops what is of forgotten people, and an erasure is whole or goes on."""

from __future__ import annotations

import psycopg
import pytest

from tests.ingestion.conftest import Landing
from tests.ingestion.scripted_api import ScriptedApi
from warehouse.erasure import ErasureError
from warehouse.forget_command import run_forget


def test_an_erasure_that_was_cut_short_is_completed_by_the_next(
    landing: Landing, api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    # its key is readable, and so is the part of another that has none
    api.records["users"][4] = b'{"id": "5", "email": "\\u0000user5@example.org"}'
    api.records["users"].append({"id": None, "email": "user1@example.org"})
    landing.load()
    open_erasures = "select count(*) from raw_moovitamix.erasures where completed_at is null"

    with psycopg.connect(landing.settings.database_url) as watcher:
        watcher.execute("set transaction isolation level repeatable read")
        watcher.execute("select count(*) from raw_moovitamix.users")
        with pytest.raises(ErasureError, match="end it, and run this again"):
            run_forget(landing.settings, "1", agreed=True)
    assert landing.rows(open_erasures) == [(1,)]

    # what is only in quarantine is found as well
    for user_id in ("1", "1", "5"):
        assert run_forget(landing.settings, user_id, agreed=True)
        assert "Forgotten" in capsys.readouterr().out
    assert landing.rows(open_erasures) == [(0,)]
    assert landing.rows("select count(*) from raw_moovitamix.rejected_records") == [(0,)]
    # an id that nobody has is a mistake, and an address no id
    with pytest.raises(ErasureError, match="no table has a row of a user with that id"):
        run_forget(landing.settings, "4711", agreed=True)
    with pytest.raises(ErasureError, match=r"^That is no id"):
        run_forget(landing.settings, "user7@example.org", agreed=True)
    with pytest.raises(ErasureError, match="no terminal to ask on"):
        run_forget(landing.settings, "7", agreed=False)
    assert landing.rows("select count(*) from raw_moovitamix.erasures") == [(2,)]
    assert landing.rows("select count(*) from raw_moovitamix.users where id = 7") == [(1,)]

    api.records["users"].pop()
    report = landing.load()

    assert (report.closed["users"], report.opened["users"]) == (0, 0)
    assert report.crawl.figures["users"].forgotten == 2
    assert report.crawl.figures["listen_history"].forgotten == 1
    assert report.crawl.figures["users"].rejected == 0


def test_what_is_left_of_a_person_keeps_the_erasure_open(landing: Landing) -> None:
    landing.load()
    landing.connection.execute(
        "create materialized view theirs as select id as user_id from raw_moovitamix.users;"
        " create table letters as select 'Dear user2@example.org' as text"
    )

    with pytest.raises(ErasureError, match=r"public\.theirs \(1\), public\.letters \(1\)"):
        run_forget(landing.settings, "2", agreed=True)

    landing.connection.execute("refresh materialized view theirs; drop table letters")
    assert run_forget(landing.settings, "2", agreed=True)
