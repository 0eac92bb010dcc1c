"""The lake shows what PostgreSQL has published: whole, or not under its tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyiceberg.table.update.snapshot import ManageSnapshots

from lake import data_files, publications, retention
from lake import publish as publishing
from lake.inspection import read_tables
from lake.verification import verify
from operations.lakehouse import landing_tables
from tests.dbt_project.warehouse_build import Warehouse
from tests.lake.conftest import FIRST_DAY, SECOND_DAY, House
from warehouse.errors import LakeError
from warehouse.run_lock import hold_run_lock

# what they copy is made once
pytestmark = pytest.mark.xdist_group("lake")


def differing(house: House) -> list[str]:
    with hold_run_lock(house.settings) as lock:
        compared = verify(house.settings, lock, landing_tables(house.settings))
    assert len(compared) > 20
    return [one.name for one in compared if not one.is_equal]


def test_the_lake_has_the_rows_that_are_published(house: House) -> None:
    house.publish()
    rows = house.rows()
    for layer, schema in (("gold", "marts"), ("silver", "intermediate")):
        for name in [name for name in rows if name.startswith(layer)]:
            table = f"{schema}.{name.partition('.')[2]}"
            columns = house.query(
                "select string_agg(case when format_type(atttypid, null) = 'uuid'"
                " then attname || '::text' when format_type(atttypid, null) ~ '^timestamp without'"
                " then attname || $$ at time zone 'UTC'$$ else attname end, ', '"
                ' order by attname collate "C") from pg_attribute'
                f" where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped"
            )[0][0]
            assert rows[name] == set(house.query(f"select {columns} from {table}")), name
    assert len(rows["gold.fct_listens"]) > 8
    assert differing(house) == []


def test_a_day_costs_what_changed_and_gives_what_all_of_it_gives(house: House) -> None:
    first_day = house.rows()
    report = house.publish()
    assert report.tag == SECOND_DAY
    assert {"gold.fct_listens", "bronze.moovitamix_listen_history"} <= set(report.by_unit)
    second_day = house.rows()
    assert second_day != first_day
    files = {figures.name: figures.file_count for figures in read_tables(house.settings)}
    house.publish(whole=True)
    # small files do not add up
    assert files == {figures.name: figures.file_count for figures in read_tables(house.settings)}
    assert house.rows() == second_day


def test_units_that_did_not_change_stay_in_their_files(house: House) -> None:
    before = house.files()
    house.execute("delete from lake.unpublished_units where model_name = 'bridge_user_genres'")
    report = house.publish()
    assert "gold.bridge_user_genres" not in (*report.whole, *report.by_unit)
    parquet = {path for path in before if path.suffix == ".parquet"}
    # under the tag of the first day
    assert parquet <= house.files()


def test_days_are_read_by_their_tags(house: House) -> None:
    first_day = house.rows()
    house.publish()
    assert house.rows(FIRST_DAY) == first_day
    assert house.rows(SECOND_DAY) == house.rows() != first_day
    crawls = house.query("select tag, row_count from lake.publications order by tag")
    assert crawls == [
        (tag, sum(map(len, house.rows(tag).values()))) for tag in (FIRST_DAY, SECOND_DAY)
    ]


def test_nothing_is_done_where_nothing_changed(house: House) -> None:
    house.publish()
    files = house.files()
    report = house.publish()
    assert not report.is_new
    assert house.files() == files


def test_what_is_landed_but_not_published_is_not_in_the_lake(house: House) -> None:
    house.publish()
    rows = house.rows()
    house.execute(
        """
        update raw_moovitamix.users set _dlt_valid_to = '2026-06-03' where _dlt_valid_to is null;
        insert into raw_moovitamix.users (id, row_hash, _dlt_valid_from)
        values (7, 'x', '2026-06-03')
        """
    )
    house.publish(whole=True)
    assert house.rows() == rows


def test_a_crawl_that_was_withdrawn_goes_from_landing_in_the_lake(house: House) -> None:
    first_day = house.rows()
    house.publish()
    at = "'2026-06-02 03:00+00'"
    house.execute(
        f"delete from raw_moovitamix.crawls where boundary_at = {at};"
        "update intermediate.published_builds set boundary_at = '2026-06-01 03:00'"
    )
    for table in ("users", "tracks", "listen_history"):
        house.execute(
            f"delete from raw_moovitamix.{table} where _dlt_valid_from = {at};"
            f"update raw_moovitamix.{table} set _dlt_valid_to = null where _dlt_valid_to = {at}"
        )
    assert house.publish().tag == f"{FIRST_DAY}_2"
    rows = house.rows()
    for table in ("users", "tracks", "listen_history"):
        assert rows[f"bronze.moovitamix_{table}"] == first_day[f"bronze.moovitamix_{table}"]


def test_a_record_that_is_of_nobody_changes_too(house: House) -> None:
    house.publish()
    house.execute(
        """
        update raw_moovitamix.listen_history set _dlt_valid_to = '2026-06-03 03:00+00'
        where user_id is null;
        insert into raw_moovitamix.listen_history (items, row_hash, _dlt_valid_from)
        values ('[11]', 'of nobody', '2026-06-03 03:00+00');
        create temporary table crawl as select * from raw_moovitamix.crawls limit 1;
        update crawl set boundary_at = '2026-06-03 03:00+00';
        insert into raw_moovitamix.crawls select * from crawl;
        update intermediate.published_builds set boundary_at = '2026-06-03 03:00'
        """
    )
    house.publish()
    assert differing(house) == []


def test_marts_that_were_built_in_place_are_replaced_whole(house: House) -> None:
    house.publish()
    warehouse = Warehouse(house.settings.database_url, house.settings.home)
    warehouse.dbt("run", "--select", "dim_dates")
    report = house.publish()
    assert {"gold.fct_listens", "silver.int_users_versioned"} <= set(report.whole)
    assert report.by_unit == ()


def test_what_was_built_and_not_published_leaves_the_lake_as_it_is(house: House) -> None:
    house.execute(
        "update intermediate.model_builds set built_by = 'later'"
        " where model_name = 'int_users_versioned'"
    )
    with pytest.raises(LakeError, match="int_users_versioned was built since"):
        house.publish()
    assert house.tags() == {FIRST_DAY}


def test_personal_columns_stay_in_postgresql(house: House) -> None:
    columns = "select column_name from information_schema.columns where table_name = 'users'"
    personal = {"first_name", "last_name", "email", "row_hash"}
    assert personal < {name for (name,) in house.query(columns)}
    content = b"".join(path.read_bytes() for path in house.files())
    assert b"favorite_genres" in content
    assert b"first_name" not in content
    asking = house.but(lake_personal=True)
    asking.publish()
    assert b"first_name" in b"".join(path.read_bytes() for path in house.files())
    assert differing(asking) == []


class Killed(BaseException):
    """Ends a publication where nobody catches it."""


POINTS: tuple[tuple[Any, str, int], ...] = (
    (publishing, "find_tables", 0),
    # a file is there, and no snapshot
    (data_files, "_follow_columns", 2),
    (data_files, "chunked", 3),
    (publishing, "_bring", 6),
    (ManageSnapshots, "create_tag", 4),
    (publishing, "record", 0),
    # in the transaction of the row
    (publishing, "keep_last", 0),
    (retention, "_delete_files", 4),
)
"""Where a publication dies: the function, and after how many calls of it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, after: int) -> None:
    original: Callable[..., Any] = getattr(module, name)
    calls = 0

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Killed
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, dying)


def test_who_is_killed_leaves_what_the_next_publication_heals(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_day = house.rows()
    for point in POINTS:
        with monkeypatch.context() as patch:
            kill_at(patch, *point)
            with pytest.raises(Killed):
                house.publish()
        # what is visible as a whole is the one day or the other
        for (tag,) in house.query("select tag from lake.publications"):
            assert (house.rows(tag) == first_day) == (tag == FIRST_DAY)
    house.publish()
    assert differing(house) == []
    assert house.tags() == {FIRST_DAY, SECOND_DAY}
    # whatever is published next
    house.execute("insert into lake.unpublished_units (model_name) values ('dim_dates')")
    house.publish()
    assert house.unneeded_files() == set()
    assert house.rows(FIRST_DAY) == first_day


def test_columns_follow_the_contract(house: House) -> None:
    first_day = house.rows()["gold.dim_dates"]
    house.execute(
        """
        alter table marts.dim_dates drop column is_weekend;
        alter table marts.dim_dates add column moon text default 'new';
        alter table marts.dim_dates alter column year_number type bigint;
        """
    )
    report = house.publish()
    assert "gold.dim_dates" in report.whole
    assert differing(house) == []
    # as it was, with the columns of that day
    assert house.rows(FIRST_DAY)["gold.dim_dates"] == first_day


def test_a_type_that_is_not_mapped_is_named(house: House) -> None:
    house.execute("alter table marts.dim_dates add column odd inet")
    with pytest.raises(LakeError, match=r"column odd of marts.dim_dates has the type inet"):
        house.publish()


def test_a_lake_in_another_place_is_refused(house: House, tmp_path: Any) -> None:
    with pytest.raises(LakeError, match="LISTENHOUSE_LAKE is"):
        house.but(lake=str(tmp_path)).publish()


def test_files_of_another_lake_stay(house: House) -> None:
    before = house.files()
    house.execute("drop schema lake cascade")
    house.publish()
    house.publish(whole=True)
    assert before < house.files()


def test_who_publishes_marts_may_say_so_to_the_lake(house: House) -> None:
    house.execute(
        """
        drop schema lake cascade;
        create role of_marts;
        alter table intermediate.published_builds owner to of_marts
        """
    )
    try:
        house.publish()
        rights = house.query(
            """
            select
                has_schema_privilege('of_marts', 'lake', 'usage'),
                has_table_privilege('of_marts', 'lake.unpublished_units', 'insert, delete'),
                has_table_privilege('of_marts', 'lake.unit_columns', 'insert, delete'),
                has_table_privilege('of_marts', 'lake.publications', 'select')
            """
        )
        assert rights == [(True, True, True, False)]
    finally:
        house.execute(
            "reassign owned by of_marts to current_user; drop owned by of_marts; drop role of_marts"
        )


def test_a_folder_that_cannot_be_written_is_said_of_the_table(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_files, "_dataframe_to_data_files", full)
    with pytest.raises(LakeError, match=r"lake's \w+\.\w+ could not be written .*No space left"):
        house.publish()


def test_an_old_publication_goes_with_its_files(house: House) -> None:
    house.publish()
    both = house.files()
    assert house.unneeded_files() == set()
    house.execute("insert into lake.unpublished_units (model_name) values ('fct_listens')")
    third = house.but(lake_tags=2).publish()
    assert third.tag == f"{SECOND_DAY}_2"
    assert house.tags() == {SECOND_DAY, third.tag}
    assert ".parquet" in {path.suffix for path in both - house.files()}
    assert house.unneeded_files() == set()
    assert differing(house) == []
    assert len(house.rows(SECOND_DAY)["gold.fct_listens"]) > 8


def test_the_row_comes_after_all_tags(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(*arguments: Any) -> None:
        seen.append(house.rows(SECOND_DAY).keys())
        publications.record(*arguments)

    monkeypatch.setattr(publishing, "record", look)
    house.publish()
    assert seen == [house.rows().keys()]
