"""What dbt says and does while there is nothing to build."""

from __future__ import annotations

from tests.dbt_project.landing import Landing
from tests.dbt_project.warehouse_build import Outcome, Warehouse

ADVICE = "There is no load yet: raw_moovitamix.crawls holds no committed crawl. Load first with"


def assert_refused(outcome: Outcome, warehouse: Warehouse) -> None:
    assert ADVICE in outcome.message
    assert outcome.statuses == {}
    assert warehouse.query("select nspname from pg_namespace where nspname = 'marts'") == []


def test_without_landing_one_message_says_what_to_do(warehouse: Warehouse) -> None:
    for command in ("build",), ("run",), ("test",), ("source", "freshness"):
        assert_refused(warehouse.dbt(*command, check=False), warehouse)


def test_without_a_committed_crawl_as_well(warehouse: Warehouse, landing: Landing) -> None:
    assert landing.committed == []
    assert_refused(warehouse.dbt("build", check=False), warehouse)


def test_seeds_and_documentation_need_no_load(warehouse: Warehouse) -> None:
    warehouse.dbt("seed")
    warehouse.dbt("build", "--select", "genre_aliases")
    warehouse.dbt("docs", "generate")
