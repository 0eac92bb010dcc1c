"""The variable `as_of`: what it takes, what it means, and what it never touches."""

from __future__ import annotations

import pytest

from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse

FIRST = Day(users=(user(1),), tracks=(track(10),), listen_history=(history(1, [10]),))
SECOND = FIRST.having("listen_history", history(1, [10, 10]))
BAD_VALUES = ("yesterday", "2026-13-01", "2026-02-30", "2026-06-01 25:00", "01.06.2026", "20260601")


def test_a_date_is_the_whole_day_and_a_time_is_exactly_then(
    warehouse: Warehouse, landing: Landing
) -> None:
    # 03:00, and 21:00 of the same day
    landing.crawl(boundary(1), FIRST)
    landing.crawl(boundary(1.75), SECOND)
    landing.crawl(boundary(2), Day())
    for value, schema, listens in (
        ("2026-06-01", "as_of_20260601", 2),
        ("2026-06-01 03:00:00", "as_of_20260601030000", 1),
        ("'2026-06-01T20:59'", "as_of_202606012059", 1),
        ("2026-06-01 21:00:00", "as_of_20260601210000", 2),
    ):
        warehouse.dbt(*BUILD_UNTESTED, "--select", "+fct_listens", "--vars", f"{{as_of: {value}}}")
        found = warehouse.query(
            f"select count(*) from {schema}_marts.fct_listens where is_in_current_record"
        )
        assert (value, found) == (value, [(listens,)])
    assert warehouse.fingerprints() == {}


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_is_no_day_is_one_clear_message(warehouse: Warehouse, value: str) -> None:
    outcome = warehouse.dbt("build", "--vars", f"{{as_of: '{value}'}}", check=False)
    assert f"as_of is '{value}'; it must be a date (2026-03-01, the whole UTC day)" in (
        outcome.message
    )
    assert warehouse.query("select 1 from pg_namespace where nspname like 'as_of%'") == []


def test_a_time_before_the_first_crawl_is_one_clear_message(
    warehouse: Warehouse, landing: Landing
) -> None:
    landing.crawl(boundary(1), FIRST)
    outcome = warehouse.dbt("build", "--vars", "{as_of: 2026-05-31}", check=False)
    assert "the first crawl is of 2026-06-01 03:00:00 UTC" in outcome.message
    assert warehouse.query("select 1 from pg_namespace where nspname like 'as_of%'") == []
