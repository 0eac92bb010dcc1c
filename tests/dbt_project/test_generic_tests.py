"""The generic tests find what they ask for, and PostgreSQL refuses what they no longer ask for."""

from __future__ import annotations

import psycopg

from tests.dbt_project.artifacts import Manifest, refused_nulls, unique_indexes
from tests.dbt_project.warehouse_build import Warehouse

DAMAGE = {
    "never_null": (
        "update intermediate.int_listening_days set changed_at = null",
        "valid_columns_int_listening_days",
        "select distinct broken_rules from {}",
        {("changed_at is null",)},
    ),
    "accepted_values": (
        "update marts.dim_dates set quarter_of_year = 5, season = 'dry'"
        " where date_day = '2026-05-01';"
        " update marts.dim_dates set iso_day_of_week = 0 where date_day = '2026-05-02'",
        "valid_columns_dim_dates",
        "select date_day::text, broken_rules from {}",
        {
            (
                "2026-05-01",
                "quarter_of_year is none of the accepted values;"
                " season is none of the accepted values",
            ),
            ("2026-05-02", "iso_day_of_week is none of the accepted values"),
        },
    ),
    "within, beside never_null": (
        "update health.metric_thresholds set score_threshold = 1.9, severity = null"
        " where metric_name = 'records_landed';"
        " update health.metric_thresholds set minimum_relative_change = 'NaN', minimum_days = 29"
        " where metric_name = 'listens_new'",
        "valid_columns_metric_thresholds",
        "select metric_name, broken_rules from {}",
        {
            ("records_landed", "severity is null; score_threshold is not within 2 and 20"),
            (
                "listens_new",
                "minimum_relative_change is not within 0 and 0.95;"
                " minimum_days is not within 3 and 28",
            ),
        },
    ),
    "a key of one column": (
        "insert into staging.gender_groups values ('male', 'male'), ('male', 'male')",
        "unique_keys_gender_groups",
        "select key_columns, key_values, row_count from {}",
        {("gender", "male", 3)},
    ),
    "the second key, a part of it null": (
        "update intermediate.int_users_inferred set user_id = null, source_name = 'moovitamix';"
        " insert into intermediate.int_users_inferred (user_key, source_name)"
        " values (gen_random_uuid(), 'moovitamix'), (gen_random_uuid(), 'moovitamix')",
        "unique_keys_int_users_inferred",
        "select key_columns, key_values, row_count > 1 from {}",
        {("source_name, user_id", "moovitamix, null", True)},
    ),
    "contiguous_versions": (
        "update marts.dim_users set valid_from = '2020-01-01' where user_id = '1'",
        "contiguous_versions_dim_users_source_name__user_id",
        "select user_id, valid_from::text from {}",
        {("1", "2020-01-01 00:00:00")},
    ),
    "foreign_keys": (
        "delete from marts.dim_tracks",
        "foreign_keys_fct_listens",
        "select distinct missing_references,"
        " listen_key in (select listen_key from marts.fct_listens) from {}",
        {("track_key", True)},
    ),
}
"""By rule: what breaks it, the test that finds it, a query on the rows it stores, and these."""


def test_a_failing_test_names_the_rows_and_what_is_wrong_with_them(built: Warehouse) -> None:
    tests = [test for _, test, _, _ in DAMAGE.values()]
    sound = "unique_keys_fct_listens"
    for statement, _, _, _ in DAMAGE.values():
        built.execute(statement)

    outcome = built.dbt("test", "--select", *tests, sound, check=False)

    assert outcome.failed == set(tests)
    assert outcome.statuses[sound] == "pass"
    for rule, (_, test, query, rows) in DAMAGE.items():
        assert set(built.query(query.format(f'test_failures."{test}"'))) == rows, rule


def test_postgresql_refuses_what_is_not_asked_for(built: Warehouse, manifest: Manifest) -> None:
    with psycopg.connect(built.url) as connection:
        for model in manifest.models:
            table = f"{model['schema']}.{model['alias']}"
            refused = connection.execute(
                "select attname from pg_attribute"
                " where attrelid = to_regclass(%s) and attnotnull and attnum > 0",
                (table,),
            ).fetchall()
            indexed = connection.execute(
                "select array_agg(attname::text) from pg_index join pg_attribute"
                " on attrelid = indrelid and attnum = any(indkey)"
                " where indrelid = to_regclass(%s) and indisunique and indpred is null"
                " group by indexrelid",
                (table,),
            ).fetchall()
            assert refused_nulls(model) <= {column for (column,) in refused}, table
            assert all((key,) in indexed for key in unique_indexes(model)), table
