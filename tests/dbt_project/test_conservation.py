"""The tests of conservation do fail where something is lost, doubled or torn."""

from __future__ import annotations

from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.dbt_project.warehouse_build import BUILD_LISTENING, LISTENING_TESTS, Warehouse

FIRST = Day(
    users=(user(1), user(2)),
    tracks=(track(10), track(11), track(12, artist="")),
    listen_history=(history(1, [10, 11, 10]), history(2, [12]), history(None, [11])),
)
SECOND = FIRST.having("listen_history", history(1, [10])).having("users", user(1, gender="Male"))

LOST = "delete from marts.fct_listens where user_id = '2'"
DAMAGE = {
    "update raw_moovitamix.crawls set users_reported = users_reported + 1": {
        "every_record_reported_is_accounted_for"
    },
    "update raw_moovitamix.crawls set tracks_carried = 1": {
        "landing_holds_what_the_last_crawl_landed"
    },
    "delete from raw_moovitamix.users where id = 2": {"landing_holds_what_the_last_crawl_landed"},
    LOST: {
        "every_listen_landed_is_in_the_fact_once",
        "current_listens_are_the_items_of_current_records",
        "reports_add_up_to_the_fact",
    },
    "insert into marts.fct_listens select * from marts.fct_listens limit 1": {
        "every_listen_landed_is_in_the_fact_once",
        "reports_add_up_to_the_fact",
    },
    "update marts.fct_listens set is_in_current_record = true": {
        "current_listens_are_the_items_of_current_records"
    },
    "update marts.fct_listens set listened_at = '2026-06-20', first_observed_at = '2026-06-20'": {
        "listens_point_to_the_versions_that_held"
    },
    "delete from marts.dim_users where user_id = '2'": {"listens_point_to_the_versions_that_held"},
    "update marts.fct_listens set record_changed_at = '2030-01-01'": {
        "nothing_is_newer_than_the_boundary"
    },
    "update marts.rpt_daily_genre_listens set listen_count = 7": {"reports_add_up_to_the_fact"},
    "delete from marts.rpt_user_features where user_id = '1'": {"reports_add_up_to_the_fact"},
}


def test_every_kind_of_damage_is_found(warehouse: Warehouse, landing: Landing) -> None:
    landing.crawl(boundary(1), FIRST)
    landing.crawl(boundary(2), SECOND)
    warehouse.dbt(*BUILD_LISTENING)
    warehouse.execute("create schema sound")
    tables = warehouse.query(
        "select schemaname, tablename from pg_tables"
        " where schemaname in ('marts', 'raw_moovitamix')"
    )
    for schema, table in tables:
        warehouse.execute(f"create table sound.{schema}_{table} as table {schema}.{table}")
    missed = {}
    for statement, expected in DAMAGE.items():
        warehouse.execute(statement)
        # the pinned crawls are a table: let damage to landing through
        outcome = warehouse.dbt(
            "build",
            "--select",
            "stg_moovitamix__crawls",
            *expected,
            "--indirect-selection",
            "empty",
            check=False,
        )
        if not expected <= outcome.failed:
            missed[statement] = expected - outcome.failed
        for schema, table in tables:
            warehouse.execute(
                f"delete from {schema}.{table};"
                f" insert into {schema}.{table} table sound.{schema}_{table}"
            )
    assert missed == {}
    warehouse.dbt(*LISTENING_TESTS)
