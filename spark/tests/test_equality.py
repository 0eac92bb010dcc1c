"""Spark builds what PostgreSQL builds: every mart, row for row, as days come and in full."""

from __future__ import annotations

import pytest
from conftest import House

from lake.fingerprint import Fingerprint

CONSERVATION = "every_listen_landed_is_in_the_fact_once"

MARTS = {
    "bridge_track_genres",
    "bridge_user_genres",
    "dim_albums",
    "dim_artists",
    "dim_dates",
    "dim_genres",
    "dim_tracks",
    "dim_users",
    "fct_listens",
    "rpt_daily_artist_listens",
    "rpt_daily_genre_listens",
    "rpt_daily_track_listens",
    "rpt_source_coverage",
    "rpt_top_charts",
    "rpt_track_features",
    "rpt_user_features",
    "rpt_user_track_affinities",
    "rpt_weekly_active_listeners",
}


def test_every_mart_has_the_same_rows_on_both_engines_each_day(house: House) -> None:
    assert set(house.marts) == {(day, name) for day in (1, 2, 3) for name in MARTS}
    differing = {key for key, (postgres, spark) in house.marts.items() if postgres != spark}
    assert differing == set()
    # days differ, so that a build that did nothing would be noticed
    fact = [house.marts[day, "fct_listens"][1] for day in (1, 2, 3)]
    assert len(set(fact)) == len(fact)
    assert all(print_.row_count > 0 for _, print_ in house.marts.values())


def test_data_tests_pass_on_spark(house: House) -> None:
    passed = [name for name, status in house.tested.items() if status == "pass"]
    assert len(passed) > 80
    assert CONSERVATION in passed


def test_what_was_built_day_by_day_is_what_a_full_refresh_builds(house: House) -> None:
    incremental: dict[str, Fingerprint] = {name: house.marts[3, name][1] for name in MARTS}
    assert house.full == incremental


def test_a_test_that_fails_on_spark_is_a_failure(house: House) -> None:
    house.spark.sql("delete from marts.fct_listens where user_id = '1'")
    with pytest.raises(AssertionError, match=CONSERVATION):
        house.spark.dbt("test", "--select", CONSERVATION)
    house.spark.dbt("run", "--select", "fct_listens", "--full-refresh")
    assert house.fingerprints("marts")["fct_listens"] == house.full["fct_listens"]
