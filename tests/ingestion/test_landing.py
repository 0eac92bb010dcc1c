"""Loads over real HTTP into a real PostgreSQL, and what they leave there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from email.utils import formatdate
from time import monotonic, time
from typing import Any

import pytest

import ingestion.landing.load
import ingestion.landing.merge
from ingestion.landing.load import load
from ingestion.landing.merge import LoadPackage
from tests.commands import run_command
from tests.ingestion.conftest import Landing
from tests.ingestion.scripted_api import (
    TIMESTAMP,
    Answer,
    Fault,
    ScriptedApi,
    history,
    track,
    user,
)
from warehouse.errors import (
    BusyError,
    ClockError,
    DatabaseError,
    IncompleteCrawlError,
    ShrunkSourceError,
    SourceError,
)
from warehouse.run_lock import hold_run_lock

LANDING_TABLES = (
    "raw_moovitamix.users",
    "raw_moovitamix.tracks",
    "raw_moovitamix.listen_history",
)


def json_history(user_id: int, items: str) -> bytes:
    return (
        f'{{"user_id": {user_id}, "items": {items}, '
        f'"created_at": "{TIMESTAMP}", "updated_at": "{TIMESTAMP}"}}'
    ).encode()


def test_a_load_lands_every_record_as_it_was_served(landing: Landing) -> None:
    report = landing.load()

    assert report.opened == {"users": 250, "tracks": 30, "listen_history": 3}
    assert landing.rows(
        "select id, first_name, email, created_at::text from raw_moovitamix.users where id = 7"
    ) == [(7, "Ada", "user7@example.org", "2026-03-01 10:00:00.000001")]
    assert landing.rows(
        "select user_id, items::text from raw_moovitamix.listen_history order by user_id"
    ) == [(1, "[1,2,1]"), (2, "[3]"), (3, "[]")]


def test_dlt_goes_on_with_the_schema_that_older_versions_loaded(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["users"][0] = user(1, gender="Male")
    landing.load()

    # named after the pipeline, whatever the source is called
    assert landing.rows("select distinct schema_name from raw_moovitamix._dlt_version") == [
        ("listen_history",)
    ]
    assert landing.rows(
        "select pipeline_name, version from raw_moovitamix._dlt_pipeline_state"
    ) == [("listen_history", 1)]


def test_a_load_is_committed_in_one_row_with_its_figures(landing: Landing) -> None:
    report = landing.load()

    assert landing.rows(
        """
        select crawl_id, boundary_at, load_id, users_reported, users_landed, users_duplicates,
            users_rejected, users_carried
        from raw_moovitamix.crawls
        """
    ) == [
        (report.crawl.crawl_id, report.crawl.boundary_at, report.crawl.load_id, 250, 250, 0, 0, 0)
    ]
    for table in LANDING_TABLES:
        assert landing.rows(f"select distinct _dlt_valid_from from {table}") == [
            (report.crawl.boundary_at,)
        ]


def test_a_second_load_of_the_same_data_stores_nothing(landing: Landing) -> None:
    landing.load()
    second = landing.load()

    assert set(second.opened.values()) | set(second.closed.values()) == {0}
    assert landing.rows("select count(*) from raw_moovitamix.users") == [(250,)]
    assert landing.rows("select count(*) from raw_moovitamix.crawls") == [(2,)]


def test_only_changes_are_stored_and_old_versions_stay(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.records["users"][0] = user(1, gender="Male")
    api.records["users"].pop()
    api.records["users"].append(user(999))
    second = landing.load()

    assert (second.opened["users"], second.closed["users"]) == (2, 2)
    assert landing.rows(
        """
        select gender, _dlt_valid_to is null
        from raw_moovitamix.users where id = 1 order by _dlt_valid_from
        """
    ) == [("Female", False), ("Male", True)]
    assert landing.rows("select _dlt_valid_to from raw_moovitamix.users where id = 250") == [
        (second.crawl.boundary_at,)
    ]


def test_a_record_that_vanishes_and_returns_has_two_versions(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["tracks"].remove(track(5))
    landing.load()
    api.records["tracks"].append(track(5))
    third = landing.load()

    assert landing.rows(
        """
        select _dlt_valid_to is null, _dlt_valid_from = %s::timestamptz
        from raw_moovitamix.tracks where id = 5 order by _dlt_valid_from
        """.replace("%s", f"'{third.crawl.boundary_at.isoformat()}'")
    ) == [(False, False), (True, True)]


def test_staging_and_packages_do_not_grow(landing: Landing) -> None:
    landing.load()
    landing.load()

    for table in ("users", "tracks", "listen_history"):
        assert landing.rows(f"select count(*) from raw_moovitamix_staging.{table}") == [(0,)]
    packages = landing.settings.dlt_directory / "pipelines/listen_history/load/loaded"
    assert packages.is_dir()
    assert list(packages.glob("**/*.parquet")) == []
    assert not landing.settings.spool_directory.exists()


BAD_USERS = {
    b"17": "Expected `object`, got `int`",
    b'{"id": null, "email": "a@example.org"}': "Expected `int`, got `null` - at `$.id`",
    b'{"id": "x17"}': "Expected `int`, got `str` - at `$.id`",
    b'{"id": 9223372036854775808}': "Expected `int` <= 9223372036854775807 - at `$.id`",
    b'{"id": 901, "created_at": "soon"}': "Invalid RFC3339 encoded datetime - at `$.created_at`",
    b'{"id": 902, "gender": "a\\u0000b"}': "Text holds a NUL character - at `$.gender`",
    b'{"id": 903, "gender": "\\ud800"}': "Text is no valid Unicode - at `$.gender`",
    b'{"id": 904, "age": NaN}': "NaN and Infinity are no numbers - at `$.age`",
    b'{"id": 905, "created_at": "0001-01-01T00:00:00+05:00"}': (
        "date value out of range - at `$.created_at`"
    ),
    b'{"id": 906, "gender": ["Male"]}': "Expected `str | null`, got `array` - at `$.gender`",
    b'{"id": 907, "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}": "Nested more than 100 levels deep",
    b'{"id": 908, "x": ' + b"9" * 6_000 + b"}": "Integer of more than 1,000 digits - at `$.x`",
    b'{"id": 909, "x": 1e999}': "Number out of the range of double precision - at `$.x`",
    b'{"id": 910, "gender": "\\x41"}': "The record is no JSON: Invalid \\escape",
    b'{"id": 911, "gender": "5" disk"}': "The record is no JSON: Expecting ',' delimiter",
    b'{"id": 912, "x": [1, 2}': "The record is no JSON: Expecting ',' delimiter",
}


def test_bad_records_are_kept_verbatim_and_their_neighbours_land(
    landing: Landing, api: ScriptedApi
) -> None:
    for number, record in enumerate(BAD_USERS):
        api.records["users"].insert(12 * number, record)
    landing.load()
    report = landing.load()

    figures = report.crawl.figures["users"]
    assert (figures.reported, figures.landed, figures.rejected) == (266, 250, 16)
    # served twice, kept once
    rejected = landing.rows(
        """
        select endpoint, record, reason, first_seen_at < last_seen_at, resolved_at
        from raw_moovitamix.rejected_records
        """
    )
    assert sorted(rejected) == sorted(
        ("users", record.decode(), reason, True, None) for record, reason in BAD_USERS.items()
    )


def test_items_that_are_no_list_of_ids_are_rejected(landing: Landing, api: ScriptedApi) -> None:
    wrong = ("[1, null]", '[1, "2"]', '"1,2"', "{}", "[1.5]")
    bad = [json_history(number, items) for number, items in enumerate(wrong, start=9)]
    api.records["listen_history"] += bad
    report = landing.load()

    assert report.crawl.figures["listen_history"].rejected == len(bad)
    rejected = landing.rows("select record from raw_moovitamix.rejected_records")
    assert sorted(rejected) == sorted((record.decode(),) for record in bad)


def test_bytes_that_are_no_text_cost_only_their_record(landing: Landing, api: ScriptedApi) -> None:
    api.records["users"].append(b'{"id": 901, "gender": "\xff"}')
    report = landing.load()

    assert report.crawl.figures["users"].landed == 250
    assert landing.rows("select record from raw_moovitamix.rejected_records") == [
        ('{"id": 901, "gender": "\\xff"}',)
    ]


def test_nulls_that_the_contract_allows_land(landing: Landing, api: ScriptedApi) -> None:
    api.records["listen_history"] += [history(None, [1]), history(4, None)]
    report = landing.load()

    assert report.crawl.figures["listen_history"].rejected == 0
    assert landing.rows(
        """
        select user_id, items::text from raw_moovitamix.listen_history
        where user_id is null or items is null order by user_id
        """
    ) == [(4, None), (None, "[1]")]


def test_a_rejected_record_does_not_close_its_last_good_version(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["users"][6] = user(7, created_at="soon")
    second = landing.load()

    assert (second.opened["users"], second.closed["users"]) == (0, 0)
    assert second.crawl.figures["users"].carried == 1
    assert landing.rows("select _dlt_valid_to, email from raw_moovitamix.users where id = 7") == [
        (None, "user7@example.org")
    ]


def test_a_key_that_can_be_read_keeps_its_version(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.records["users"][6] = user(7) | {"id": "7"}
    api.records["users"][7] = user(8, gender=["Male"])
    api.records["users"][8] = b'{"x": \\x41, "id": 9}'
    # more new fields than the table may have
    api.records["users"][9] = user(10) | {f"field {number}": 1 for number in range(1_700)}
    second = landing.load()

    assert (second.closed["users"], second.crawl.figures["users"].carried) == (0, 4)
    assert second.drift == []


def test_a_key_with_a_zone_that_nobody_asked_for_keeps_its_version(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["listen_history"][0] = history(1, [None], created_at=f"{TIMESTAMP}Z")
    second = landing.load()

    assert (second.closed["listen_history"], second.crawl.figures["listen_history"].carried) == (
        0,
        1,
    )


def test_a_mended_record_lands_and_its_rejection_is_resolved(
    landing: Landing, api: ScriptedApi
) -> None:
    api.records["users"][6] = user(7, created_at="soon")
    landing.load()
    api.records["users"][6] = user(7)
    second = landing.load()

    assert second.opened["users"] == 1
    assert landing.rows("select resolved_at from raw_moovitamix.rejected_records") == [
        (second.crawl.boundary_at,)
    ]


def test_the_sources_own_duplicates_are_counted_and_landed_once(
    landing: Landing, api: ScriptedApi
) -> None:
    api.records["users"].append(user(3))
    report = landing.load()

    figures = report.crawl.figures["users"]
    assert (figures.reported, figures.landed, figures.duplicates) == (251, 250, 1)
    assert landing.rows("select count(*) from raw_moovitamix.users where id = 3") == [(1,)]


def test_of_two_records_with_one_key_the_newer_lands_and_the_other_is_kept_aside(
    landing: Landing, api: ScriptedApi
) -> None:
    api.records["users"].insert(
        0, user(3, gender="Male", updated_at="2026-03-02T00:00:00", nickname="Al")
    )
    report = landing.load()

    figures = report.crawl.figures["users"]
    assert (figures.landed, figures.duplicates, figures.rejected) == (250, 0, 1)
    assert landing.rows("select gender from raw_moovitamix.users where id = 3") == [("Male",)]
    ((record, reason),) = landing.rows(
        "select record::json ->> 'gender', reason from raw_moovitamix.rejected_records"
    )
    assert record == "Female"
    assert "same key" in reason


def test_an_undeclared_field_becomes_a_column(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.records["users"][0] = user(1, loyaltyTier={"name": "gold"}, row_hash=5)
    second = landing.load()

    assert second.opened["users"] == 1
    assert second.drift == [
        "/users serves a field that is not declared, 'loyaltyTier': it lands as the json column "
        "loyalty_tier",
        "/users serves a field that is not declared, 'row_hash': it lands as the json column "
        "row_hash_2",
    ]
    assert landing.rows(
        """
        select loyalty_tier ->> 'name', row_hash_2::text
        from raw_moovitamix.users where loyalty_tier is not null
        """
    ) == [("gold", "5")]
    third = landing.load()
    assert third.opened["users"] == 0
    assert third.drift == []


def test_a_field_that_is_gone_lands_as_null_and_is_announced(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    for record in api.records["tracks"]:
        del record["album"]
    second = landing.load()

    assert second.drift == [
        "/tracks no longer serves the field of the column album: it lands as null"
    ]
    assert landing.rows(
        "select distinct album from raw_moovitamix.tracks where _dlt_valid_to is null"
    ) == [(None,)]
    assert landing.load().drift == []


def test_rows_without_a_value_are_counted_in_what_is_landed(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    users = api.records["users"]
    # one of them twice, and one that does not fit, whose last version stays
    users[0] = user(1, email=None, gender=None)
    users[1] = user(2, email=None, mood="blue")
    users[2] = user(3) | {"id": "3", "email": None}
    users.append(users[0])
    counts = landing.load().package.null_counts

    declared = dict.fromkeys(user(1), 0)
    assert counts["users"] == declared | {"email": 2, "gender": 1, "mood": 248}
    assert set(counts["tracks"].values()) == {0}


def test_a_duration_in_whole_seconds_is_understood(landing: Landing, api: ScriptedApi) -> None:
    api.records["tracks"][0] = track(1, duration=201)
    report = landing.load()

    assert report.crawl.figures["tracks"].rejected == 0
    assert landing.rows("select duration from raw_moovitamix.tracks where id = 1") == [("201",)]


def test_a_timestamp_that_names_its_zone_lands_as_utc(landing: Landing, api: ScriptedApi) -> None:
    api.records["tracks"][0] = track(1, updated_at="2026-03-01T12:00:00+02:00")
    landing.load()

    assert landing.rows("select updated_at::text from raw_moovitamix.tracks where id = 1") == [
        ("2026-03-01 10:00:00",)
    ]


def test_an_empty_endpoint_lands_as_an_empty_table(landing: Landing, api: ScriptedApi) -> None:
    api.records["listen_history"] = []
    landing.load()

    assert landing.rows("select count(*) from raw_moovitamix.listen_history") == [(0,)]


def test_an_endpoint_emptied_on_purpose_closes_its_versions(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["listen_history"] = []
    report = landing.load(accept_shrink=True)

    assert report.closed["listen_history"] == 3


def test_a_source_that_shrank_is_refused_with_its_figures(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["users"] = api.records["users"][:199]

    with pytest.raises(
        ShrunkSourceError, match=r"/users holds 199 rows, .* had 250.*accept-shrink"
    ):
        landing.load()
    assert landing.rows("select count(*) from raw_moovitamix.crawls") == [(1,)]
    assert landing.load(accept_shrink=True).closed["users"] == 51


def test_a_source_with_other_keys_is_refused(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.records["listen_history"] = [history(number, [1]) for number in (1, 50, 60)]

    with pytest.raises(ShrunkSourceError, match="/listen_history shares 1 of 3 keys"):
        landing.load()


def test_rejected_records_count_as_present_when_the_source_is_judged(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    api.records["users"] = [user(number, created_at="soon") for number in range(1, 251)]
    report = landing.load()

    assert report.crawl.figures["users"].carried == 250
    assert report.closed["users"] == 0


def test_pages_that_do_not_add_up_are_refused_and_nothing_is_landed(
    landing: Landing, api: ScriptedApi
) -> None:
    api.totals["tracks"] = 31

    with pytest.raises(
        IncompleteCrawlError, match=r"/tracks .* reports 31 rows, its pages hold 30"
    ):
        landing.load()
    assert landing.tables() == set()


def test_rows_that_are_never_served_fail_the_load(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.records["users"] = api.records["users"][:240]
    api.totals["users"] = 250

    with pytest.raises(IncompleteCrawlError, match=r"reports 250 rows, its pages hold 240"):
        landing.load()
    assert landing.rows(
        "select count(*) from raw_moovitamix.users where _dlt_valid_to is null"
    ) == [(250,)]


def at_the_second_users_page(change: Callable[[list[Any]], None]) -> Fault:
    """Changes the source's users once, between the first page and the second."""

    def fault(api: ScriptedApi, endpoint: str, page: int, call: int) -> None:
        if (endpoint, page) == ("users", 2) and not fault_done:
            fault_done.append(call)
            change(api.records["users"])

    fault_done: list[int] = []
    return fault


def test_a_row_deleted_during_the_crawl_hides_no_other(landing: Landing, api: ScriptedApi) -> None:
    api.fault = at_the_second_users_page(lambda users: users.pop(0))
    report = landing.load()

    assert api.calls["users", 1] == 2
    assert report.crawl.figures["users"].landed == 249
    assert landing.rows("select count(*) from raw_moovitamix.users where id = 101") == [(1,)]


def test_a_row_inserted_during_the_crawl_is_landed_once(landing: Landing, api: ScriptedApi) -> None:
    api.fault = at_the_second_users_page(lambda users: users.insert(0, user(999)))
    report = landing.load()

    assert report.crawl.figures["users"].landed == 251
    assert landing.rows("select count(distinct id), count(*) from raw_moovitamix.users") == [
        (251, 251)
    ]


def test_a_row_replaced_during_the_crawl_deletes_no_other(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()

    def replace_the_first(users: list[Any]) -> None:
        # the total stays, every row in between moves up: user 101 is on no page that is read
        users.pop(0)
        users.append(user(999))

    api.fault = at_the_second_users_page(replace_the_first)
    report = landing.load()

    # user 1 was there at first: gone for certain is what another crawl misses too
    assert report.closed["users"] == 0
    assert landing.load().closed["users"] == 1
    assert landing.rows("select id from raw_moovitamix.users where _dlt_valid_to is not null") == [
        (1,)
    ]


def test_rows_reordered_during_the_crawl_are_all_landed(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.fault = at_the_second_users_page(lambda users: users.reverse())
    report = landing.load()

    assert (report.opened["users"], report.closed["users"]) == (0, 0)


def test_a_clock_that_jumped_back_does_not_order_crawls_wrongly(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()
    landing.connection.execute(
        """
        update raw_moovitamix.crawls set boundary_at = boundary_at + interval '4 minutes';
        update raw_moovitamix.users set _dlt_valid_from = _dlt_valid_from + interval '4 minutes';
        """
    )
    ((later,),) = landing.rows("select boundary_at from raw_moovitamix.crawls")
    api.records["users"][0] = user(1, gender="Male")
    report = landing.load()

    assert report.crawl.boundary_at > later
    assert landing.rows(
        """
        select _dlt_valid_to > _dlt_valid_from
        from raw_moovitamix.users where _dlt_valid_to is not null
        """
    ) == [(True,)]


@pytest.mark.parametrize("hours", [0.1, 24])
def test_a_load_whose_clock_is_ahead_of_the_servers_lands_nothing(
    landing: Landing, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("ingestion.landing.load.datetime", Clock)
    with pytest.raises(ClockError, match=r"the clock of .+ ahead of the database server's; set"):
        landing.load()
    # found before the crawl
    assert not api.calls
    assert not landing.tables()


TRANSIENT_FAULTS = {
    "status 500": Answer(b"sorry", 500),
    "status 502": Answer(b"sorry", 502),
    "status 503": Answer(b"sorry", 503),
    "status 429": Answer(b"slow down", 429, {"Retry-After": "1"}),
    "no JSON": Answer(b'{"items": [{"id"'),
    "connection lost": Answer(b"", resets=True),
    "time-out": Answer(b"", hangs=True),
}


@pytest.mark.parametrize("cause", TRANSIENT_FAULTS)
def test_a_transient_fault_is_retried_and_counted_by_its_cause(
    landing: Landing, api: ScriptedApi, cause: str
) -> None:
    landing.settings = landing.settings.but(request_timeout_seconds=1)
    api.fault = lambda _api, endpoint, page, call: (
        TRANSIENT_FAULTS[cause] if (endpoint, page, call) == ("users", 2, 1) else None
    )
    report = landing.load()

    assert landing.http.retries == {cause: 1}
    assert report.crawl.figures["users"].landed == 250
    assert landing.rows("select count(distinct id), count(*) from raw_moovitamix.users") == [
        (250, 250)
    ]


def test_an_html_page_with_status_200_is_fetched_again(landing: Landing, api: ScriptedApi) -> None:
    api.fault = lambda _api, endpoint, page, call: (
        Answer(b"<html>Bad gateway</html>") if (endpoint, page, call) == ("users", 1, 1) else None
    )
    landing.load()
    assert landing.http.retries == {"no JSON": 1}


def test_a_body_cut_in_the_middle_is_fetched_again(landing: Landing, api: ScriptedApi) -> None:
    def cut_once(api: ScriptedApi, endpoint: str, page: int, call: int) -> Answer | None:
        if (endpoint, page, call) == ("users", 3, 1):
            body = api.page(endpoint, page, 100)
            return Answer(body[:500], claimed_length=len(body))
        return None

    api.fault = cut_once
    report = landing.load()

    assert landing.http.retries == {"cut body": 1}
    assert report.crawl.figures["users"].landed == 250


def test_a_lasting_fault_names_endpoint_page_and_cause_and_changes_nothing(
    landing: Landing, api: ScriptedApi
) -> None:
    api.fault = lambda _api, endpoint, page, _call: (
        Answer(b"down", 500) if (endpoint, page) == ("users", 2) else None
    )

    with pytest.raises(SourceError, match=r"/users page 2 with status 500 after 3 tries"):
        landing.load()
    assert landing.tables() == set()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_wait_that_the_server_asks_for_is_honoured(
    landing: Landing, api: ScriptedApi, form: str
) -> None:
    asked_at = []

    def ask_for_a_wait(_api: ScriptedApi, endpoint: str, page: int, call: int) -> Answer | None:
        if (endpoint, page) != ("users", 1):
            return None
        asked_at.append(monotonic())
        # a date has whole seconds: three ahead are more than two
        until = "2" if form == "seconds" else formatdate(time() + 3, usegmt=True)
        return Answer(b"slow down", 429, {"Retry-After": until}) if call == 1 else None

    api.fault = ask_for_a_wait
    landing.load()

    assert asked_at[1] - asked_at[0] >= 2


def test_a_load_after_a_lasting_fault_completes(landing: Landing, api: ScriptedApi) -> None:
    landing.load()
    api.records["users"].append(user(251))
    api.fault = lambda _api, endpoint, _page, _call: (
        Answer(b"down", 503) if endpoint == "listen_history" else None
    )
    with pytest.raises(SourceError, match="/listen_history page 1 with status 503"):
        landing.load()
    assert landing.rows("select count(*) from raw_moovitamix.users") == [(250,)]

    api.fault = None
    assert landing.load().opened["users"] == 1


def test_a_total_that_is_too_small_is_no_proof(landing: Landing, api: ScriptedApi) -> None:
    api.totals["users"] = 100

    with pytest.raises(IncompleteCrawlError, match="reports 100 rows, its pages hold 200"):
        landing.load()


def test_a_page_of_another_state_does_not_confirm_itself(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()

    def stale_second_page(api: ScriptedApi, endpoint: str, page: int, _call: int) -> Answer | None:
        if (endpoint, page) != ("users", 2):
            return None
        stale = ScriptedApi()
        # a replica that is one row behind: user 100 again, user 200 there
        stale.records["users"] = [user(0), *api.records["users"]][:251]
        stale.totals["users"] = 251
        return Answer(stale.page("users", 2, 100))

    api.fault = stale_second_page
    with pytest.raises(IncompleteCrawlError, match="the total went from 250 to 251"):
        landing.load()
    assert landing.rows("select count(*) from raw_moovitamix.users") == [(250,)]


def test_rows_that_go_all_the_time_do_not_stop_the_loads(
    landing: Landing, api: ScriptedApi
) -> None:
    landing.load()

    def one_less_each_time(api: ScriptedApi, endpoint: str, page: int, _call: int) -> None:
        if (endpoint, page) == ("users", 1):
            api.records["users"].pop()

    api.fault = one_less_each_time
    report = landing.load()

    # 250 was missing twice; 249 only the second time, so it waits for tomorrow
    assert report.closed["users"] == 1
    assert report.crawl.figures["users"].carried == 1


def test_a_field_whose_name_is_no_name_lands_all_the_same(
    landing: Landing, api: ScriptedApi
) -> None:
    long_name = "x" * 80
    api.records["users"][0] = user(1) | {"": 1, "[/b]": 2, long_name: 3}
    landing.load()

    assert landing.load().drift == []
    assert landing.rows("select unnamed::text from raw_moovitamix.users where id = 1") == [("1",)]


def test_two_loads_at_once_are_refused_and_the_holder_is_named(landing: Landing) -> None:
    with (
        hold_run_lock(landing.settings),
        pytest.raises(BusyError, match="listenhouse run pid") as refusal,
    ):
        landing.load()
    assert refusal.value.exit_code == 75


def test_two_databases_do_not_share_the_state_on_disk(
    landing: Landing, postgres_server: str
) -> None:
    elsewhere = landing.settings.but(external_database_url=f"{postgres_server}/postgres")
    with hold_run_lock(elsewhere):
        other = run_command(
            "python",
            "-m",
            "ingestion",
            environment={
                "LISTENHOUSE_HOME": str(landing.settings.home),
                "LISTENHOUSE_DATABASE_URL": landing.settings.database_url,
                "LISTENHOUSE_API_URL": landing.settings.api_url,
            },
        )

    assert other.returncode == 75
    assert "give this one a folder of its own with LISTENHOUSE_HOME" in other.stderr


def test_a_load_that_lost_its_lock_cannot_commit(
    landing: Landing, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.load()
    api.records["users"][0] = user(1, gender="Male")
    merge = ingestion.landing.merge.merge

    def merge_and_lose_the_lock(*arguments: Any) -> LoadPackage:
        package = merge(*arguments)
        landing.connection.execute("select pg_terminate_backend(%s)", (lock.info.backend_pid,))
        return package

    monkeypatch.setattr(ingestion.landing.load, "merge", merge_and_lose_the_lock)
    with (
        pytest.raises(DatabaseError, match="failed in the middle of the run"),
        hold_run_lock(landing.settings) as lock,
    ):
        load(landing.settings, lock)
    assert landing.rows("select count(*) from raw_moovitamix.crawls") == [(1,)]
