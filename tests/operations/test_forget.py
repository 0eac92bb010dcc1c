"""Who is forgotten is gone: from every table, the disk, and every crawl to come."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pyarrow.parquet as pq
import pytest
from pyiceberg.avro.file import AvroFile
from pyiceberg.io.pyarrow import PyArrowFileIO

from ingestion.landing.load import load
from operations.lakehouse import publish_to_lake
from tests.conftest import empty_database
from tests.dbt_project.warehouse_build import BUILD, BUILD_UNTESTED, Warehouse
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from tests.reading import in_one_statement, in_one_transaction, reading
from tests.recommendations import supersede
from warehouse.errors import LandingError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

GONE = 990_077
CANARIES = ("zebra.quagga", "Zebrafirst", "Quaggalast", "okapi.new", str(GONE))
"""What is of nobody else: addresses, names and the id."""


@dataclass(frozen=True)
class House:
    """A warehouse with a person in it.

    Attributes:
        settings: Its settings.
        warehouse: dbt, and what it built.
        api: The source, which goes on serving the person.
    """

    settings: Settings
    warehouse: Warehouse
    api: ScriptedApi

    def load(self) -> dict[str, tuple[int, int, int]]:
        """Loads a day; returns rows landed, rejected and forgotten, by endpoint."""
        with hold_run_lock(self.settings) as lock:
            figures = load(self.settings, lock).crawl.figures
        return {
            name: (counts.landed, counts.rejected, counts.forgotten)
            for name, counts in figures.items()
        }

    def forget(self, person: int) -> str:
        """Forgets a person by the command; returns what it said."""
        outcome = self.warehouse.command(
            *("listenhouse", "forget", str(person), "--yes"),
            environment={
                "LISTENHOUSE_HOME": str(self.settings.home),
                "LISTENHOUSE_LAKE": str(self.settings.lake),
                "LISTENHOUSE_LAKE_PERSONAL": "yes",
            },
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout


def relation_files(connection: psycopg.Connection) -> list[Path]:
    """The files of the database's tables, indexes and catalogs, as they are on the disk."""
    connection.execute("checkpoint")
    row = connection.execute(
        "select current_setting('data_directory'), oid from pg_database"
        " where datname = current_database()"
    ).fetchone()
    assert row is not None
    return [file for file in Path(row[0], "base", str(row[1])).iterdir() if file.is_file()]


def files_with(connection: psycopg.Connection, needles: list[bytes]) -> set[bytes]:
    """Which of these bytes are in the database's files."""
    return {
        needle
        for file in relation_files(connection)
        for content in [file.read_bytes()]
        for needle in needles
        if needle in content
    }


def definitions(house: House) -> list[tuple[Any, ...]]:
    """Owner, grants, options, columns, keys and indexes of the fact and of a view on it."""
    return house.warehouse.query(
        """
        select
            relname,
            relowner,
            relacl::text,
            reloptions,
            (
                select array_agg((attname, attacl)::text order by attnum)
                from pg_attribute
                where attrelid = pg_class.oid and attnum > 0 and not attisdropped
            ),
            (
                select array_agg((conname, pg_get_constraintdef(oid))::text order by conname)
                from pg_constraint
                where conrelid = pg_class.oid
            ),
            (
                select array_agg(pg_get_indexdef(indexrelid) order by indexrelid::regclass::text)
                from pg_index
                where indrelid = pg_class.oid
            )
        from pg_class
        where oid in ('marts.fct_listens'::regclass, 'public.my_listens'::regclass)
        order by 1
        """
    )


@contextmanager
def replaced_by_a_copy(house: House) -> Iterator[None]:
    """Afterwards fact and users are other tables: nobody waited for them to be written anew.

    The fact has all that people rely on, and views read it.
    """
    identity = "select 'marts.fct_listens'::regclass::oid, 'marts.dim_users'::regclass::oid"
    before, defined = house.warehouse.query(identity), definitions(house)
    yield
    ((fact, users),) = house.warehouse.query(identity)
    assert fact != before[0][0]
    assert users != before[0][1]
    assert definitions(house) == defined
    described = "select obj_description('{}marts.fct_listens'::regclass)"
    comment = house.warehouse.query(described.format(""))
    assert comment == house.warehouse.query(described.format("candidate_")) != [(None,)]
    for table in ("public.my_listens", "marts.fct_listens"):
        assert house.warehouse.query(f"select count(*) from {table}") == [(90,)]
    assert not house.warehouse.query("select from pg_namespace where nspname ~ '^erasure'")


def lake_files_with(house: House, needles: list[str]) -> set[str]:
    """Which of these texts are in the lake's files, once they are decompressed."""
    content = ""
    for path in (house.settings.home.parent / "lake").rglob("*"):
        if path.suffix == ".parquet":
            content += str(pq.read_table(path).to_pylist())
        elif path.suffix == ".avro":
            with AvroFile[Any](PyArrowFileIO().new_input(str(path))) as records:
                content += str([str(record) for record in records])
        elif path.is_file():
            content += path.read_text()
    return {needle for needle in needles if needle in content}


@pytest.fixture(scope="module")
def house(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two days landed, built and recommended; the person changed, and was rejected once."""
    folder = tmp_path_factory.mktemp("forget")
    api = ScriptedApi()
    gone = user(
        GONE,
        first_name="Zebrafirst",
        last_name="Quaggalast",
        email="zebra.quagga@example.org",
        favorite_genres="Okapi",
    )
    api.records = {
        "users": [*(user(number) for number in range(1, 31)), gone],
        "tracks": [track(number) for number in range(1, 41)],
        "listen_history": [
            *(history(number, [number, number + 1, 7]) for number in range(1, 31)),
            history(GONE, [7, 8, 9, 39]),
        ],
    }
    with empty_database(postgres_server) as url, serve(api):
        settings = Settings(
            home=folder / "home",
            external_database_url=url,
            external_api_url=api.url,
            lake=str(folder / "lake"),
            lake_personal=True,
        )
        house = House(settings, Warehouse(url, folder, "default"), api)
        house.load()
        api.records["users"][-1] = gone | {"email": "okapi.new@example.org", "gender": "Male"}
        # not this record, but a second one of theirs: it does not fit
        api.records["listen_history"].append(
            history(GONE, "zebra.quagga@example.org", created_at="2026-03-02T10:00:00.000001")
        )
        house.load()
        house.warehouse.dbt(*BUILD)
        # in a process of its own: MLflow remembers databases by URL, and other tests share it
        recommended = house.warehouse.command(
            *("listenhouse", "recommend"), environment={"LISTENHOUSE_HOME": str(settings.home)}
        )
        assert recommended.returncode == 0, recommended.stderr
        with psycopg.connect(url) as connection:
            made = connection.execute("select for_date, now() from recommendations.batches")
            supersede(connection, *(made.fetchone() or ()))
        house.warehouse.dbt(*BUILD)
        house.warehouse.execute(
            """
            create table marts.copy_of_an_analyst as
            select user_key, 1 as score from marts.fct_listens;
            create view public.my_listens with (security_invoker = true) as
            select * from marts.fct_listens;
            create materialized view public.my_count as
            select count(*) from marts.rpt_user_features;
            grant usage on schema marts to pg_monitor;
            grant select on marts.fct_listens to pg_monitor with grant option;
            grant select (user_id) on marts.fct_listens to public
            """
        )
        with hold_run_lock(settings) as lock:
            publish_to_lake(settings, lock)
        yield house


def test_a_person_is_forgotten_and_stays_so(house: House) -> None:
    pages = house.settings.home / "pages" / "old.html"
    pages.parent.mkdir()
    pages.write_text("<p>zebra.quagga@example.org</p>")
    with psycopg.connect(house.warehouse.url, autocommit=True) as connection:
        keys = [
            UUID(str(key)).bytes
            for (key,) in house.warehouse.query(
                f"select user_key from marts.dim_users where user_id = '{GONE}'"
            )
        ]
        needles = [*(canary.encode() for canary in CANARIES), struct.pack("<q", GONE), *keys]
        assert len(keys) == 2
        assert files_with(connection, needles) == set(needles)
        in_lake = [*CANARIES, *(str(UUID(bytes=key)) for key in keys)]
        assert lake_files_with(house, in_lake) == set(in_lake)

        with (
            replaced_by_a_copy(house),
            reading(house.warehouse.url, in_one_statement) as statements,
            reading(house.warehouse.url, in_one_transaction) as transactions,
        ):
            said = house.forget(GONE)

        # rows and sums went at once
        assert statements.errors == transactions.errors == []
        assert {day[:3] for day in statements.days} == {(94, 94, 94), (90, 90, 90)}
        assert not [day for day in transactions.days if len({*day[:3], day[4]}) > 1]
        assert "Forgotten" in said
        assert "marts.copy_of_an_analyst" in said
        assert files_with(connection, needles) == set()
        assert lake_files_with(house, in_lake) == set()
    assert pages.read_text() == f"<p>{'*' * len('zebra.quagga@example.org')}</p>"
    assert not list((house.settings.home / "dlt").rglob("*.parquet"))
    # who, when and how much; not whom
    ((by, done, counts),) = house.warehouse.query(
        "select erased_by, completed_at is not null, counts from raw_moovitamix.erasures"
    )
    assert "as listenhouse" in by
    assert done
    assert counts["raw_moovitamix.users"] == 2
    assert counts["raw_moovitamix.rejected_records"] == 1
    assert counts["marts.fct_listens"] == 4
    for generation in ("", "superseded_"):
        assert counts[f"recommendations.{generation}recommendations"] == 20
        assert counts[f"recommendations.{generation}popularity_shadow"] == 20
        batch = f"select user_count, short_list_count from recommendations.{generation}batches"
        assert house.warehouse.query(batch) == [(30, 0)]
    assert house.warehouse.query(
        "select status from ops.runs where command = 'listenhouse forget'"
    ) == [("succeeded",)]
    logs = "".join(file.read_text() for file in house.settings.log_directory.iterdir())
    assert not [canary for canary in CANARIES if canary in logs]

    # the source serves them still, the record that does not fit as well
    assert house.load() == {
        "users": (30, 0, 1),
        "tracks": (40, 0, 0),
        "listen_history": (30, 0, 2),
    }
    house.warehouse.dbt(*BUILD)
    built = house.warehouse.fingerprints()
    house.warehouse.dbt(*BUILD_UNTESTED, "--full-refresh")
    assert house.warehouse.fingerprints() == built
    with psycopg.connect(house.warehouse.url, autocommit=True) as connection:
        assert files_with(connection, needles) == set()

    key = house.settings.erasure_key_file
    assert key.stat().st_mode & 0o777 == 0o600
    key.rename(key.with_suffix(".away"))
    with pytest.raises(LandingError, match="the key of their tombstones is not there"):
        house.load()
    other = replace(house, settings=house.settings.but(erasure_key="another" * 8))
    with pytest.raises(LandingError, match="the key of their tombstones is another one"):
        other.load()
