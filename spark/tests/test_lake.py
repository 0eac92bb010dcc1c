"""Spark reads the lake that Listenhouse publishes: its tables, its tags, and the days before."""

from __future__ import annotations

from conftest import House

from lake.catalog import list_tables, open_catalog

FIRST_DAY, SECOND_DAY = "as_of_20260601_030000", "as_of_20260602_030000"


def test_spark_counts_the_rows_of_every_table(house: House) -> None:
    with open_catalog(house.settings) as catalog:
        rows = {name: catalog.load_table(name).scan().count() for name in list_tables(catalog)}
    assert len(rows) > 20
    assert rows == {name: house.spark.sql(f"select count(*) from {name}")[0][0] for name in rows}


def test_spark_travels_in_time_by_tag(house: House) -> None:
    tags = house.spark.sql("select name from gold.fct_listens.refs where type = 'TAG'")
    assert {FIRST_DAY, SECOND_DAY} <= {name for (name,) in tags}
    rows = [
        house.spark.sql(f"select count(*) from gold.fct_listens version as of '{tag}'")[0][0]
        for tag in (FIRST_DAY, SECOND_DAY)
    ]
    assert rows == [house.marts[day, "fct_listens"][0].row_count for day in (1, 2)]
