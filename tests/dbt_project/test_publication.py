"""What people read is one tested day: it changes at once, and only to what passed its tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.conftest import DATABASE, copied_database
from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD, BUILD_UNTESTED, BuildFailedError, Warehouse
from tests.reading import in_one_statement, in_one_transaction, reading
from tests.templates import template
from warehouse.ops.tables import create_tables

PUBLISHED = "default"
"""The target that people build with."""

TEST = ("test", "--exclude-resource-type", "unit_test")


def _publish_first_day(url: str, folder: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        landing = Landing(connection)
        landing.create()
        landing.crawl(boundary(1), days()[0])
        create_tables(connection)
    Warehouse(url, folder, PUBLISHED).dbt(*BUILD)


@pytest.fixture(scope="module")
def published_day(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database in which the first of the scripted days is published."""
    folder = tmp_path_factory.mktemp("published_day")
    with template(postgres_server, "published_day", _publish_first_day, folder) as url:
        yield url


@pytest.fixture
def house(published_day: str, tmp_path: Path) -> Iterator[Warehouse]:
    """dbt, pointed at such a database."""
    with copied_database(published_day, DATABASE) as url:
        yield Warehouse(url, tmp_path, PUBLISHED)


@pytest.fixture
def landing(house: Warehouse) -> Iterator[Landing]:
    """Its landing schema."""
    with psycopg.connect(house.url, autocommit=True) as connection:
        yield Landing(connection, [boundary(1)])


def candidates(house: Warehouse) -> dict[str, str]:
    return house.fingerprints("candidate_")


def published(house: Warehouse) -> dict[str, str]:
    """What people read, without the seeds: they are settings, and right at once."""
    prints = house.fingerprints()
    return {name: prints[name] for name in prints if not name.endswith("_thresholds")}


def reason(house: Warehouse) -> str | None:
    rows = house.query("select reason from ops.publications order by decided_at desc limit 1")
    return rows[0][0] if rows else None


def test_what_passed_is_published_whole(house: Warehouse, landing: Landing) -> None:
    assert published(house) == candidates(house)
    assert house.query("select count(*) from marts.fct_listens") == [(8,)]
    before = published(house)
    landing.crawl(boundary(2), days()[1])
    house.dbt(*BUILD)
    assert published(house) == candidates(house) != before
    assert house.query("select count(*) from intermediate.unpublished_units") == [(0,)]
    assert reason(house) is None


@dataclass(frozen=True)
class Damage:
    """What a test of a kind finds.

    Attributes:
        test: The test.
        statement: Damages a candidate.
        undo: Takes it back.
    """

    test: str
    statement: str
    undo: str


REPORT = "candidate_marts.rpt_daily_track_listens"
USERS = "candidate_marts.dim_users"
DAMAGES = (
    Damage(
        "unique_keys_rpt_daily_track_listens",
        f"insert into {REPORT} select * from {REPORT}",
        f"delete from {REPORT} as one using {REPORT} as other"
        " where one.ctid > other.ctid and one::text = other::text",
    ),
    Damage(
        "foreign_keys_rpt_user_track_affinities",
        "update candidate_marts.rpt_user_track_affinities set user_id = 'nobody '||user_id",
        "update candidate_marts.rpt_user_track_affinities"
        " set user_id = replace(user_id, 'nobody ', '')",
    ),
    Damage(
        "valid_columns_fct_listens",
        "update candidate_marts.fct_listens set listened_at_source = 'not ' || listened_at_source",
        "update candidate_marts.fct_listens"
        " set listened_at_source = replace(listened_at_source, 'not ', '')",
    ),
    Damage(
        "contiguous_versions_dim_users_source_name__user_id",
        f"update {USERS} set valid_from = valid_from - interval '1 day'",
        f"update {USERS} set valid_from = valid_from + interval '1 day'",
    ),
    Damage(
        "daily_reports_add_up_to_the_fact",
        f"update {REPORT} set listen_count = listen_count + 1",
        f"update {REPORT} set listen_count = listen_count - 1",
    ),
)


def test_what_failed_a_test_of_any_kind_is_seen_by_nobody(
    house: Warehouse, landing: Landing
) -> None:
    before = published(house)
    landing.crawl(boundary(2), days()[1])
    house.dbt(*BUILD_UNTESTED)
    assert "tests have not read what was built" in (reason(house) or "")
    for damage in DAMAGES:
        house.execute(damage.statement)
        house.dbt("test", "--select", damage.test, check=False)
        assert reason(house) == (
            f"Not published: 1 test failed ({damage.test}). marts are as of"
            f" {boundary(1):%Y-%m-%d %H:%M:%S} UTC; what was built is in candidate_marts."
        )
        assert published(house) == before
        house.execute(damage.undo)
        assert published(house) == before
    house.dbt(*TEST)
    assert published(house) == candidates(house) != before


def test_a_model_that_failed_is_seen_by_nobody(house: Warehouse, landing: Landing) -> None:
    before = published(house)
    landing.crawl(boundary(2), days()[1])
    house.execute("alter table candidate_marts.dim_users rename column gender_group to gone")
    with pytest.raises(BuildFailedError):
        house.dbt(*BUILD)
    assert (reason(house) or "").startswith("Not published: 1 model failed (dim_users)")
    assert published(house) == before


def test_a_part_is_published_when_it_makes_the_day_whole(
    house: Warehouse, landing: Landing
) -> None:
    before = published(house)
    landing.crawl(boundary(2), days()[1])
    house.dbt(*BUILD_UNTESTED, "--select", "+fct_listens")
    assert "models are not of the last crawl" in (reason(house) or "")
    assert "`dbt build` builds all" in (reason(house) or "")
    assert published(house) == before
    house.dbt(*BUILD_UNTESTED, "--exclude", "+fct_listens")
    assert "tests have not read what was built" in (reason(house) or "")
    house.dbt(*TEST)
    assert published(house) == candidates(house) != before


def test_readers_see_one_day_and_do_not_wait(house: Warehouse, landing: Landing) -> None:
    house.execute("create view public.my_listens as select * from marts.fct_listens")
    with (
        reading(house.url, in_one_statement) as statements,
        reading(house.url, in_one_transaction) as transactions,
        psycopg.connect(house.url) as long_query,
    ):
        # holds what a query holds, from before the first publication to after the last
        long_query.execute("select * from marts.fct_listens, marts.dim_users limit 1")
        landing.crawl(boundary(2), days()[1])
        house.dbt(*BUILD)
        landing.crawl(boundary(3), days()[2])
        house.dbt(*BUILD, "--full-refresh")
        assert published(house) == candidates(house)
    assert statements.errors == transactions.errors == []
    for count, reported, featured, _, *seen_by_view in statements.days | transactions.days:
        assert count == reported == featured
        assert seen_by_view in ([], [count])
    cutoffs = {row[3] for row in statements.days}
    assert cutoffs == {boundary(number).replace(tzinfo=None) for number in (1, 2, 3)}


def test_a_publication_that_is_cut_off_publishes_nothing(
    house: Warehouse, landing: Landing
) -> None:
    before = published(house)
    landing.crawl(boundary(2), days()[1])
    with psycopg.connect(house.url) as holder:
        # somebody's lock on a row that the publication has to replace
        holder.execute("select * from marts.rpt_user_features for update")

        def cut_off() -> None:
            with psycopg.connect(house.url, autocommit=True) as connection:
                cut = 0
                while not cut:
                    time.sleep(0.05)
                    cut = connection.execute(
                        """
                        select pg_terminate_backend(pid) from pg_stat_activity
                        where wait_event_type = 'Lock' and query like '%delete from "marts"%'
                        """
                    ).rowcount

        thread = threading.Thread(target=cut_off)
        thread.start()
        with pytest.raises(BuildFailedError):
            house.dbt(*BUILD)
        thread.join()
    assert published(house) == before
    # nothing is left to build, and all of it to publish
    house.dbt(*BUILD)
    assert published(house) == candidates(house) != before


def _end_when_waited_for(url: str, long_query: psycopg.Connection) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        waits: tuple[object, ...] | None = None
        while not waits and not long_query.closed:
            time.sleep(0.05)
            waits = connection.execute(
                "select 1 from pg_stat_activity where wait_event = 'PgSleep'"
                " and query like '%do $publication$%'"
            ).fetchone()
    if waits:
        long_query.rollback()


KEYS = """
    select conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
    from pg_constraint
    where connamespace = 'marts'::regnamespace and contype in ('p', 'f')
    order by 1, 2
"""


def test_columns_indexes_keys_and_comments_follow_the_model(house: Warehouse) -> None:
    keys = house.query(KEYS)
    assert {name: of for table, name, of in keys if table == "marts.fct_listens"} == {
        f"fct_listens_{column}_{table}_fkey": (
            f"FOREIGN KEY ({column}) REFERENCES marts.{table}({field}) NOT ENFORCED"
        )
        for column, table, field in (
            ("user_key", "dim_users", "user_key"),
            ("track_key", "dim_tracks", "track_key"),
            ("listened_date", "dim_dates", "date_day"),
        )
    }
    house.execute(
        """
        alter table marts.dim_artists
            drop constraint dim_artists_pkey cascade,
            add primary key (artist_key, source_name);
        alter table marts.dim_genres drop constraint dim_genres_pkey cascade;
        alter table marts.fct_listens
            add constraint of_before foreign key (user_key) references marts.dim_users not enforced;
        alter table marts.dim_users drop column gender_group;
        alter table marts.dim_users add column of_before text;
        drop index marts.dim_users_user_id_idx;
        create index on marts.dim_users (of_before);
        comment on column candidate_marts.dim_users.gender_group is 'Grouped.';
        create view public.my_users as select user_key, user_id from marts.dim_users;
        -- as after the model has changed
        delete from intermediate.model_builds where model_name = 'dim_users'
        """
    )
    with psycopg.connect(house.url) as long_query:
        # holds the table until the first try has given up
        long_query.execute("select * from marts.dim_users limit 1")
        thread = threading.Thread(target=_end_when_waited_for, args=(house.url, long_query))
        thread.start()
        house.dbt(*BUILD)
        thread.join()
    names = """
        select array_agg(column_name::text order by column_name)
        from information_schema.columns where table_schema = '{}' and table_name = 'dim_users'
    """
    assert house.query(names.format("marts")) == house.query(names.format("candidate_marts"))
    indexes = """
        select substring(indexdef from 'USING.*') from pg_indexes
        where schemaname = '{}' and tablename = 'dim_users' order by 1
    """
    assert house.query(indexes.format("marts")) == house.query(indexes.format("candidate_marts"))
    assert house.query(KEYS) == keys
    grouped = "select gender_group is null, count(*) from marts.dim_users group by 1"
    assert house.query(grouped) == [(False, 5)]
    assert house.query("select count(*) from public.my_users") == [(5,)]


def test_other_targets_build_straight_into_their_schemas(
    published_day: str, tmp_path: Path
) -> None:
    with copied_database(published_day, DATABASE) as url:
        house = Warehouse(url, tmp_path, "in_place")
        before = published(house)
        with psycopg.connect(url, autocommit=True) as connection:
            Landing(connection, [boundary(1)]).crawl(boundary(2), days()[1])
        house.dbt(*BUILD_UNTESTED)
        assert published(house) != before
        # and back: candidates are built anew, as nobody knows what happened meanwhile
        Warehouse(url, tmp_path, PUBLISHED).dbt(*BUILD)
        assert published(house) == candidates(house)
