"""The variable `as_of`: what it takes, what it means, and what it never touches."""

from __future__ import annotations

import pytest
from dbt_common.exceptions import CompilationError

from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse

FIRST = Day(users=(user(1),), tracks=(track(10),), listen_history=(history(1, [10]),))
SECOND = FIRST.having("listen_history", history(1, [10, 10]))
BAD_VALUES = ("yesterday", "2026-13-01", "2026-02-30", "2026-06-01 25:00", "01.06.2026", "20260601")


def test_what_is_built_is_as_of_exactly_then_and_beside_the_present(
    warehouse: Warehouse, landing: Landing
) -> None:
    build = (*BUILD_UNTESTED, "--select", "+fct_listens", "--vars", "{as_of: 2026-06-01 03:00:00}")
    # 21:00 of that day is too late
    landing.crawl(boundary(1.75), FIRST)
    outcome = warehouse.dbt(*build, check=False)
    assert "the first crawl is of 2026-06-01 21:00:00 UTC" in outcome.message
    assert warehouse.query("select 1 from pg_namespace where nspname like 'as_of%'") == []

    warehouse.execute("drop schema raw_moovitamix cascade")
    landing = Landing(landing.connection)
    landing.create()
    landing.crawl(boundary(1), FIRST)
    landing.crawl(boundary(1.75), SECOND)
    warehouse.dbt(*build)
    assert warehouse.query(
        "select count(*) from as_of_20260601030000_marts.fct_listens where is_in_current_record"
    ) == [(1,)]
    assert warehouse.fingerprints() == {}


@pytest.mark.parametrize(
    ("value", "until", "schema"),
    [
        ("2026-06-01", "2026-06-01 23:59:59.999999", "as_of_20260601_marts"),
        ("'2026-06-01T20:59'", "2026-06-01T20:59", "as_of_202606012059_marts"),
        ("2026-06-01 21:00:00", "2026-06-01 21:00:00", "as_of_20260601210000_marts"),
    ],
)
def test_a_date_is_the_whole_day_and_a_time_is_exactly_then(
    warehouse: Warehouse, value: str, until: str, schema: str
) -> None:
    said = "{{ as_of().until }}|{{ generate_schema_name('marts', none) }}"
    assert warehouse.rendered(said, "--vars", f"{{as_of: {value}}}").split("|") == [until, schema]


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_is_no_day_is_one_clear_message(warehouse: Warehouse, value: str) -> None:
    with pytest.raises(CompilationError) as refusal:
        warehouse.rendered("{{ as_of().until }}", "--vars", f"{{as_of: '{value}'}}")
    assert_told(value, str(refusal.value))


def test_a_build_as_of_no_day_makes_nothing(warehouse: Warehouse) -> None:
    outcome = warehouse.dbt("build", "--vars", "{as_of: yesterday}", check=False)
    assert_told("yesterday", outcome.message)
    assert warehouse.query("select 1 from pg_namespace where nspname like 'as_of%'") == []


def assert_told(value: str, message: str) -> None:
    assert f"as_of is '{value}'; it must be a date (2026-03-01, the whole UTC day)" in message
