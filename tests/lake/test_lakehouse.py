"""The commands of the lake, and who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest
from pyiceberg.catalog import load_catalog

from operations import lakehouse
from operations.erasure.errors import ErasureError
from operations.erasure.lake import has_lake
from operations.lakehouse import print_history, print_tables, run_publish, run_rollback, run_verify
from tests.commands import run_command
from tests.lake.conftest import FIRST_DAY, SECOND_DAY, House
from warehouse.errors import LakeError, SettingsError
from warehouse.settings import Settings, read_settings

# what they copy is made once
pytestmark = pytest.mark.xdist_group("lake")


def test_commands_show_what_is_there(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    run_publish(house.settings, whole=False)
    assert f"under the tag {SECOND_DAY}" in capsys.readouterr().out
    print_tables(house.settings)
    assert "gold.fct_listens" in capsys.readouterr().out
    print_history(house.settings)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said if "shown" in line] == [SECOND_DAY]
    assert run_verify(house.settings)
    house.execute("update marts.fct_listens set position = position + 1 where user_id = '1'")
    assert not run_verify(house.settings)
    assert "Differs: gold.fct_listens." in capsys.readouterr().out


def test_a_rollback_sets_all_tables_back_until_the_next_publication(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    first_day = house.rows()
    house.publish()
    second_day = house.rows()
    run_rollback(house.settings, FIRST_DAY)
    assert "The next publication replaces them" in capsys.readouterr().out
    assert house.rows() == first_day
    print_history(house.settings)
    assert f"{FIRST_DAY} " in next(
        line for line in capsys.readouterr().out.splitlines() if "shown" in line
    )
    house.publish()
    assert house.rows() == second_day
    with pytest.raises(LakeError, match="keeps no publication as_of_2020"):
        run_rollback(house.settings, "as_of_2020")


def test_without_a_lake_commands_say_how_to_have_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LakeError, match="set LISTENHOUSE_LAKE"):
        run_publish(Settings(), whole=False)
    monkeypatch.setattr(lakehouse, "find_spec", lambda _name: None)
    with pytest.raises(LakeError, match="make lake"):
        run_publish(house.settings, whole=False)


def test_who_is_in_a_lake_that_is_switched_off_is_not_forgotten(house: House) -> None:
    with psycopg.connect(house.settings.database_url) as connection:
        assert has_lake(connection, house.settings)
        with pytest.raises(ErasureError, match=r"there is a lake.*set LISTENHOUSE_LAKE"):
            has_lake(connection, house.settings.but(lake=None))
        connection.execute("drop schema lake cascade")
        assert not has_lake(connection, house.settings.but(lake=None))


def test_the_place_of_a_lake_is_a_folder_or_a_bucket() -> None:
    def place(written: str) -> str | None:
        return read_settings({"LISTENHOUSE_LAKE": written}).lake

    assert place("lake") == f"file://{Path('lake').resolve()}"
    assert place("s3://bucket/lake/") == "s3://bucket/lake"
    for wrong in ("ftp://bucket/lake", "s3://"):
        with pytest.raises(SettingsError, match="LISTENHOUSE_LAKE is"):
            place(wrong)


def test_a_run_has_a_step_for_the_lake(house: House) -> None:
    environment = {
        "LISTENHOUSE_DATABASE_URL": house.settings.database_url,
        "LISTENHOUSE_HOME": str(house.settings.home),
    }
    without = run_command("listenhouse", "run", "--step", "lake", environment=environment)
    assert without.returncode == 1
    assert "LISTENHOUSE_LAKE is not set" in without.stderr
    environment["LISTENHOUSE_LAKE"] = str(house.folder)
    ran = run_command("listenhouse", "run", "--step", "lake", environment=environment)
    assert ran.returncode == 0, ran.stderr
    assert f"under the tag {SECOND_DAY}" in ran.stdout
    assert house.query("select step, status from ops.steps") == [("lake", "succeeded")]


def test_people_read_it_with_their_own_tools(house: House) -> None:
    house.publish()
    ((expected,),) = house.query("select count(*) from marts.fct_listens")
    url = house.settings.database_url.replace("postgresql", "postgresql+psycopg")
    catalog = load_catalog(
        "listenhouse",
        type="sql",
        uri=f"{url}?options=-csearch_path%3Dlake",
        init_catalog_tables="false",
    )
    table: Any = catalog.load_table("gold.fct_listens")
    assert len(table.scan().to_arrow()) == expected
    assert len(table.scan().to_pandas()) == expected
    assert pl.scan_iceberg(table).select(pl.len()).collect().item() == expected
    connection: duckdb.DuckDBPyConnection = table.scan().to_duckdb("fct_listens")
    assert connection.execute("select count(*) from fct_listens").fetchall() == [(expected,)]
    first_day = table.snapshot_by_name(FIRST_DAY)
    assert len(table.scan(snapshot_id=first_day.snapshot_id).to_arrow()) == 8
