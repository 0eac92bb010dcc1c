"""One clock: what is built is of one crawl, and stays so until the next is pinned."""

from __future__ import annotations

import csv

import pytest

from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import (
    BUILD,
    BUILD_LISTENING,
    BUILD_UNTESTED,
    SINGULAR_TESTS,
    Warehouse,
)
from warehouse.settings import PROJECT_ROOT

FIRST = Day(users=(user(1),), tracks=(track(10),), listen_history=(history(1, [10]),))


def test_a_crawl_that_commits_during_a_build_is_left_for_the_next(
    built: Warehouse, built_landing: Landing
) -> None:
    before = built.fingerprints()

    built_landing.crawl(boundary(2), days()[1])
    # all but the model that pins the boundary, as if that had run just before the commit
    built.dbt(*BUILD_LISTENING, "--exclude", "base_crawls__committed")
    assert built.fingerprints() == before

    built.dbt(*BUILD, "--select", "fct_listens+")
    assert built.fingerprints() == before

    built.dbt(*BUILD_LISTENING)
    # the record that the second crawl brought
    newest = "select count(*) from marts.fct_listens where track_id = '12' and user_id = '1'"
    assert built.query(newest) == [(1,)]


def test_a_crawl_that_is_not_committed_is_invisible(
    built: Warehouse, built_landing: Landing
) -> None:
    before = built.fingerprints()
    built_landing.merge(boundary(2), days()[1])
    # nor do fields that the API adds meanwhile disturb
    for table in ("users", "tracks", "listen_history", "crawls", "rejected_records"):
        built.execute(f"alter table raw_moovitamix.{table} add column mood text")
    built.dbt(*BUILD_UNTESTED)
    assert built.fingerprints() == before
    built.dbt(*SINGULAR_TESTS)


def test_a_source_without_listens_builds(warehouse: Warehouse, landing: Landing) -> None:
    nothing, no_listens = Day(), Day(listen_history=(history(None, None),))
    for number, (day, build) in enumerate(
        ((nothing, BUILD_UNTESTED), (no_listens, BUILD)), start=1
    ):
        landing.crawl(boundary(number), day)
        warehouse.dbt(*build)
    assert warehouse.query("select count(*) from marts.fct_listens") == [(0,)]


def test_freshness_is_that_of_the_crawls(warehouse: Warehouse, landing: Landing) -> None:
    landing.crawl(boundary(1), FIRST)
    assert set(warehouse.dbt("source", "freshness").statuses.values()) == {"pass"}
    # of the seed, which YAML cannot read
    with (PROJECT_ROOT / "seeds/rule_thresholds.csv").open(newline="") as file:
        hours = {
            row["rule_name"]: int(row["threshold"])
            for row in csv.DictReader(file)
            if row["unit"] == "hours"
        }
    late, stale = hours["run_missed"], hours["data_stale"]
    for age, status in (
        (f"{late * 60 - 5} minutes", "pass"),
        (f"{late * 60 + 5} minutes", "warn"),
        (f"{stale * 60 + 5} minutes", "error"),
    ):
        warehouse.execute(
            f"update raw_moovitamix.crawls set committed_at = now() - interval '{age}'"
        )
        outcome = warehouse.dbt("source", "freshness", check=False)
        assert set(outcome.statuses.values()) == {status}


def test_the_dev_target_builds_in_schemas_of_the_developer(
    warehouse: Warehouse, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.crawl(boundary(1), FIRST)
    monkeypatch.setenv("LISTENHOUSE_DEV_NAME", "Alice B.")
    warehouse.dbt(*BUILD_UNTESTED, "--target", "dev", "--select", "+dim_tracks")
    schemas = warehouse.query("select distinct schemaname from pg_tables order by 1")
    assert ("dev_alice_b_marts",) in schemas
    assert ("marts",) not in schemas
