"""Several days of crawls, built day by day, then rebuilt in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest

from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import (
    BUILD,
    BUILD_UNTESTED,
    SINGULAR_TESTS,
    Warehouse,
)
from tests.recommendations import recommend


def recommend_daily(connection: psycopg.Connection, number: int) -> None:
    """Makes the lists of a day, once its crawl is there, from it or from an earlier one."""
    # those of the first are from long ago: their window ends between the second and third crawl
    cutoff = boundary(-4.5 if number == 1 else number - 1)
    recommend(
        connection,
        boundary(number).date(),
        cutoff,
        {"1": ["12", "13"], "2": ["10", "99"], "9": ["11", "12"]},
        {"1": ["13", "99"], "2": ["11", "10"], "9": ["12"]},
        model_version=str(number),
        generated_at=boundary(number),
    )


@dataclass
class Built:
    """What each day's incremental build left."""

    warehouse: Warehouse
    fingerprints: list[dict[str, str]] = field(default_factory=list)
    quality: list[list[tuple[Any, ...]]] = field(default_factory=list)
    keys: list[dict[str, tuple[str, str]]] = field(default_factory=list)


def quality(warehouse: Warehouse, schema: str = "health") -> list[tuple[Any, ...]]:
    """What the data of each crawl were like."""
    return warehouse.query(
        "select boundary_at, table_name, measure, detail, value"
        f" from {schema}.fct_data_quality order by 1, 2, 3, 4"
    )


@pytest.fixture(scope="module")
def built(module_warehouse: Warehouse) -> Built:
    built = Built(module_warehouse)
    with psycopg.connect(module_warehouse.url, autocommit=True) as connection:
        landing = Landing(connection)
        landing.create()
        for number, day in enumerate(days(), start=1):
            if number == 4:
                # a crawl that died after its merge; the next one heals what it left
                landing.merge(boundary(3.5), days()[0])
            landing.crawl(boundary(number), day)
            recommend_daily(connection, number)
            module_warehouse.dbt(*(BUILD if number in {1, 4} else BUILD_UNTESTED))
            built.fingerprints.append(module_warehouse.fingerprints())
            built.quality.append(quality(module_warehouse))
            built.keys.append(
                {
                    listen_key: (user_key, track_key)
                    for listen_key, user_key, track_key in module_warehouse.query(
                        "select listen_key, user_key, track_key from marts.fct_listens"
                    )
                }
            )
    return built


def listens(built: Built, where: str) -> list[tuple[object, ...]]:
    return built.warehouse.query(
        "select track_id, occurrence, position, listened_at_source, is_in_current_record"
        f" from marts.fct_listens where {where} order by track_id, occurrence"
    )


def test_a_listen_once_observed_stays(built: Built) -> None:
    assert listens(built, "user_id = '1' and history_created_at = '2026-03-01'") == [
        ("10", 1, 2, "record_updated_at", True),
        ("10", 2, 3, "record_updated_at", False),
        ("11", 1, 1, "record_updated_at", True),
    ]


def test_a_record_that_returns_keeps_its_listens_and_adds_the_new(built: Built) -> None:
    assert listens(built, "user_id = '2'") == [
        ("10", 1, 3, "record_updated_at", True),
        ("12", 1, 1, "record_updated_at", True),
        ("12", 2, 2, "record_updated_at", True),
        ("13", 1, 2, "record_updated_at", False),
    ]


def test_a_time_that_cannot_be_gives_way_to_the_crawl_that_saw_the_listen(built: Built) -> None:
    rows = built.warehouse.query(
        "select user_id, track_id, occurrence, listened_at = first_observed_at"
        " from marts.fct_listens where listened_at_source = 'first_observed_at' order by 1, 2"
    )
    assert rows == [("1", "11", 1, True), ("9", "10", 2, True), (None, "11", 1, True)]


def test_listens_of_nobody_go_to_the_unknown_user(built: Built) -> None:
    rows = built.warehouse.query(
        "select listens.track_id, users.source_name from marts.fct_listens as listens"
        " join marts.dim_users as users using (user_key) where listens.user_id is null"
        " order by 1"
    )
    assert rows == [("10", "unknown"), ("11", "unknown")]


def test_a_late_record_takes_over_the_key_that_its_listens_have(built: Built) -> None:
    rows = built.warehouse.query(
        "select users.is_inferred, users.gender_group, tracks.is_inferred, tracks.duration_seconds"
        " from marts.fct_listens as listens"
        " join marts.dim_users as users using (user_key)"
        " join marts.dim_tracks as tracks using (track_key)"
        " where listens.user_id = '9' and listens.track_id = '99'"
    )
    assert rows == [(False, "female", False, 185)]


def test_a_user_who_only_ever_stood_in_an_empty_record_is_a_member(built: Built) -> None:
    assert built.warehouse.query(
        "select is_inferred, gender_group from marts.dim_users where user_id = '3'"
    ) == [(True, "unknown")]


def test_the_versions_of_a_member_that_returned_have_no_gap(built: Built) -> None:
    rows = built.warehouse.query(
        "select version_number, valid_from, valid_to, is_current, is_deleted"
        " from marts.dim_users where user_id = '2' order by 1"
    )
    # the crawl that died still served the first state, and landing remembers it
    returned = boundary(3.5).replace(tzinfo=None)
    changed = boundary(4).replace(tzinfo=None)
    assert rows == [
        (1, datetime(1900, 1, 1), returned, False, False),
        (2, returned, changed, False, False),
        (3, changed, None, True, False),
    ]


def test_a_listen_counts_for_the_lists_whose_window_it_was_observed_in(built: Built) -> None:
    assert built.warehouse.query(
        "select for_date - date '2026-06-01', user_id, converted_count, shadow_converted_count,"
        " new_track_count from marts.fct_recommendation_outcomes"
        " where converted_count + shadow_converted_count > 0 order by 1, 2"
    ) == [
        # the second day's listen to 12; that of the fourth to 10 by user 2 is too late
        (0, "1", 1, 0, 3),
        (1, "1", 1, 0, 1),
        (1, "2", 1, 1, 1),
        (2, "2", 1, 1, 1),
        (3, "2", 1, 1, 1),
    ]
    assert built.warehouse.query(
        "select for_date - date '2026-06-01' from marts.rpt_recommendation_lift"
        " where is_window_complete"
    ) == [(0,)]


def test_no_key_of_a_fact_ever_changes(built: Built) -> None:
    for earlier, later in zip(built.keys, built.keys[1:], strict=False):
        assert {key: later.get(key) for key in earlier} == earlier


def test_a_full_refresh_gives_identical_rows(built: Built) -> None:
    # which the tests have passed: of a crawl that changed nothing they are those before it
    built.warehouse.dbt(*BUILD_UNTESTED, "--full-refresh")
    assert built.warehouse.fingerprints() == built.fingerprints[-1]
    assert quality(built.warehouse) == built.quality[-1]


def test_orphans_are_counted_as_of_each_crawl(built: Built) -> None:
    counted = {
        table: [row[4] for row in built.quality[-1] if row[2] == f"orphan_{table}"]
        for table in ("users", "tracks")
    }
    # users 3 and 9, of whom the latter arrives; track 99, which arrives with him
    assert counted == {"users": [2, 2, 1, 1, 1], "tracks": [1, 1, 0, 0, 0]}


def test_what_was_measured_of_a_crawl_stays(built: Built) -> None:
    for number, known in enumerate(built.quality, start=1):
        until = boundary(number).replace(tzinfo=None)
        assert known == [row for row in built.quality[-1] if row[0] <= until], number


def test_every_past_day_can_be_rebuilt_beside_the_present(built: Built) -> None:
    for number in (3, 1):
        day = boundary(number).date()
        as_of = ("--vars", f"{{as_of: {day}}}")
        built.warehouse.dbt(*BUILD_UNTESTED, *as_of)
        past = built.warehouse.fingerprints(f"as_of_{day:%Y%m%d}_")
        assert past == built.fingerprints[number - 1]
        schema = f"as_of_{day:%Y%m%d}_health"
        assert quality(built.warehouse, schema) == built.quality[number - 1]
    # as of the first day, whose rows the tests have passed
    built.warehouse.dbt(*SINGULAR_TESTS, *as_of)
    assert built.warehouse.fingerprints() == built.fingerprints[-1]
    schemas = built.warehouse.query(
        "select nspname from pg_namespace where nspname like 'as_of_20260601_%' order by 1"
    )
    assert schemas == [
        (f"as_of_20260601_{name}",)
        for name in ("health", "intermediate", "marts", "staging", "test_failures")
    ]


def test_a_second_build_changes_nothing_nor_does_a_look_at_the_past(built: Built) -> None:
    before = built.warehouse.query("select xmin::text, ctid::text from marts.fct_listens")
    built.warehouse.dbt(*BUILD_UNTESTED)
    assert built.warehouse.fingerprints() == built.fingerprints[-1]
    # the fact is not even rewritten
    assert before == built.warehouse.query("select xmin::text, ctid::text from marts.fct_listens")
