"""What an incremental build leaves alone, what it catches up with, when it starts afresh."""

from __future__ import annotations

from datetime import timedelta

from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD_LISTENING, BUILD_UNTESTED, Warehouse
from tests.recommendations import recommend, supersede

INCREMENTAL = ("fct_listens", "dim_users", "rpt_user_track_affinities", "rpt_daily_track_listens")


def assert_as_a_full_refresh(warehouse: Warehouse) -> None:
    built = warehouse.fingerprints()
    warehouse.dbt(*BUILD_LISTENING, "--full-refresh")
    assert warehouse.fingerprints() == built


def test_rows_that_did_not_change_are_not_written_again(
    built: Warehouse, built_landing: Landing
) -> None:
    written = {
        table: built.query(f"select distinct xmin::text from marts.{table}")
        for table in INCREMENTAL
    }
    built_landing.crawl(boundary(2), days()[1])
    built.dbt(*BUILD_LISTENING)
    for table, (transaction,) in written.items():
        kept = f"select count(*) from marts.{table} where xmin::text = '{transaction[0]}'"
        assert built.query(kept) > [(0,)], table
        assert built.query(f"select count(*) from marts.{table}") > built.query(kept), table


def test_models_that_missed_a_crawl_catch_up(built: Warehouse, built_landing: Landing) -> None:
    built_landing.crawl(boundary(2), days()[1])
    built.dbt(*BUILD_UNTESTED, "--select", "+fct_listens")
    built_landing.crawl(boundary(3), days()[2])
    # not even the boundary moves for these, as what they read is of the second crawl
    built.dbt(*BUILD_UNTESTED, "--select", "rpt_daily_track_listens", "base_crawls__committed")
    built.dbt(*BUILD_LISTENING)
    assert_as_a_full_refresh(built)


def test_a_build_without_rows_is_not_built_on(built: Warehouse, built_landing: Landing) -> None:
    built_landing.crawl(boundary(2), days()[1])
    some = ("--select", "+rpt_daily_artist_listens")
    built.dbt("run", "--empty", *some)
    built.dbt(*BUILD_UNTESTED, *some)
    incremental = built.fingerprints()
    built.dbt(*BUILD_UNTESTED, *some, "--full-refresh")
    assert built.fingerprints() == incremental


def test_a_model_is_built_in_full_when_its_code_changed(built: Warehouse) -> None:
    whole = built.fingerprints()
    build = (*BUILD_UNTESTED, "--select", "rpt_daily_genre_listens")
    built.execute("delete from marts.rpt_daily_genre_listens")
    built.dbt(*build)
    assert built.query("select count(*) from marts.rpt_daily_genre_listens") == [(0,)]

    # as if genre_aliases.csv, the model or another before it had been edited
    built.execute(
        "update intermediate.model_builds set code_hash = 'of other code'"
        " where model_name = 'rpt_daily_genre_listens'"
    )
    built.dbt(*build)
    assert built.fingerprints() == whole


def test_a_view_that_is_as_it_was_defined_is_left_until_a_full_refresh(built: Warehouse) -> None:
    made = "select oid from pg_class where relname = 'int_listens_unnested'"
    select = ("run", "--select", "int_listens_unnested")
    built.execute("drop view intermediate.int_listens_unnested")
    built.dbt(*select)
    first = built.query(made)
    assert len(first) == 1
    built.dbt(*select)
    assert built.query(made) == first
    built.dbt(*select, "--full-refresh")
    assert built.query(made) != first


def test_a_unit_is_written_down_once_however_many_builds_nobody_audits(built: Warehouse) -> None:
    built.execute("delete from intermediate.changed_units")
    for _ in range(2):
        # the unknown member is built each time
        built.dbt("run", "--select", "dim_users")
    assert built.query(
        "select model_name, count(*) from intermediate.changed_units group by 1"
    ) == [("dim_users", 1)]


def test_newer_lists_of_a_day_take_nothing_from_those_that_were_judged(
    built: Warehouse, built_landing: Landing
) -> None:
    outcomes = (
        "select generated_at, user_id, converted_count, shadow_converted_count, new_track_count"
        " from marts.fct_recommendation_outcomes order by 1, 2"
    )
    lift = (
        "select user_count, new_track_count, conversion_rate, user_hit_rate, lift"
        " from marts.rpt_recommendation_lift"
    )
    build = (*BUILD_UNTESTED, "--select", "+rpt_recommendation_lift", "int_lift_measured")
    day, connection = boundary(1).date(), built_landing.connection
    first, second = boundary(1.1), boundary(1.3)
    lists, shadow = {"1": ["12", "13"], "2": ["10", "11"]}, {"1": ["13"], "2": ["13"]}
    recommend(connection, day, boundary(1), lists, shadow, generated_at=first)
    # user 1 listens to 12, and nobody knows user 2 any more
    built_landing.crawl(boundary(1.2), days()[1])
    built.dbt(*build)
    judged, measured = built.query(outcomes), built.query(lift)
    utc = first.replace(tzinfo=None)
    assert judged == [(utc, "1", 1, 0, 1), (utc, "2", 0, 0, 0)]
    assert [row[:4] for row in measured] == [(2, 1, 0.25, 0.5)]

    supersede(connection, day, second)
    recommend(
        *(connection, day, boundary(1.2), {"1": ["13", "11"]}, {"1": ["13"]}), generated_at=second
    )
    built_landing.crawl(boundary(1.4), days()[1])
    built.dbt(*build)
    judged.append((second.replace(tzinfo=None), "1", 0, 0, 0))
    assert (built.query(outcomes), built.query(lift)) == (judged, measured)
    # these are judged for as long as any lists are
    built_landing.crawl(boundary(9), days()[1])
    built.dbt(*build)
    assert (built.query(outcomes), built.query(lift)) == (judged, measured)
    assert built.query("select count(*) from health.int_lift_measured") == [(1,)]
    # in full, as the window is another one
    built.dbt(*build, "--vars", "{recommendation_window_days: 1}")
    assert (built.query(outcomes), built.query(lift)) == (judged, measured)
    assert built.query(
        "select window_ends_at - data_cutoff_at from marts.fct_recommendation_outcomes"
        " where not is_superseded"
    ) == [(timedelta(days=1),)]


def test_a_window_that_is_no_number_of_days_is_one_clear_message(warehouse: Warehouse) -> None:
    outcome = warehouse.dbt("parse", "--vars", "{recommendation_window_days: 31}", check=False)
    assert "recommendation_window_days is '31'; it must be a whole number of days from 1 to 30" in (
        outcome.message
    )
