"""Every data test there is finds damage: in what was built of late at once, in the rest weekly.

Each test's own SQL, as dbt compiles it for a narrow and for a complete audit, is asked about a
warehouse of two days before and after a row is damaged, in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pytest

from tests.conftest import empty_database
from tests.dbt_project.artifacts import Manifest, Node
from tests.dbt_project.events import land, play
from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from tests.ingestion.spotify_export import EXAMPLE, account_data, import_export
from tests.recommendations import recommend
from warehouse.settings import Settings

FIRST, SECOND = 1, 20_000
"""Days of the crawls: before and after now, which is when the export is imported."""

SINCE = boundary(FIRST)
LATER = datetime(2026, 5, 30)
NARROW = ("--vars", f"{{audit_since: '{SINCE.replace(tzinfo=None)}'}}")

GROWING = {
    "bridge_track_genres",
    "bridge_user_genres",
    "dim_tracks",
    "dim_users",
    "fct_listens",
    "int_listen_history_versioned",
    "int_listens_unnested",
    "int_tracks_versioned",
    "int_users_versioned",
    "rpt_daily_artist_listens",
    "rpt_daily_track_listens",
    "rpt_user_track_affinities",
    "stg_moovitamix__listen_history",
    "stg_moovitamix__tracks",
    "stg_moovitamix__users",
}
"""Tables that a narrow audit reads a part of, and in which rows of both days stand."""


@dataclass(frozen=True)
class Damage:
    """What breaks a rule in one row.

    Attributes:
        table: The table that it is in.
        statement: Breaks it in the `{row}` of the `{table}`.
        among: A condition of the rows that it can be done to.
        unit: Columns by which the table is built; nothing where all of it is.
    """

    table: str
    statement: str
    among: str = "true"
    unit: tuple[str, ...] = ()


FACT = "marts.fct_listens"
DELETE = "delete from {table} where {row}"
REPEAT = "insert into {table} select * from {table} where {row}"
RECORD = ("history_key",)
OBSERVED_LATE = f"source_name = 'moovitamix' and first_observed_at > '{SINCE:%Y-%m-%d %H:%M}'"
"""What the second crawl brought: a listen that it only told anew is lost to another test."""
CRAWLS = "raw_moovitamix.crawls"
SINGULAR = {
    "anomalies_are_beyond_their_bounds": [
        Damage("health.rpt_anomalies", "update {table} set value = value + 1 where {row}")
    ],
    "daily_reports_add_up_to_the_fact": [
        Damage(FACT, DELETE, OBSERVED_LATE, RECORD),
        Damage(FACT, REPEAT, OBSERVED_LATE, RECORD),
        Damage(
            "marts.rpt_daily_genre_listens",
            "update {table} set listen_count = listen_count + 1 where {row}",
        ),
        Damage("marts.rpt_daily_track_listens", DELETE),
    ],
    "every_event_landed_is_in_the_fact_once": [
        Damage(FACT, DELETE, "source_name = 'events'"),
        Damage(FACT, REPEAT, "source_name = 'events'"),
    ],
    "every_listen_landed_is_in_the_fact_once": [
        Damage(FACT, REPEAT, unit=RECORD),
        Damage(FACT, DELETE, unit=RECORD),
        Damage(
            FACT,
            "update {table} set is_in_current_record = not is_in_current_record where {row}",
            unit=RECORD,
        ),
    ],
    "every_play_imported_is_in_the_fact_once": [
        Damage(FACT, DELETE, "source_name = 'spotify'"),
        Damage(FACT, REPEAT, "source_name = 'spotify'"),
        Damage(FACT, DELETE, "track_id like 'spotify:names:%'"),
    ],
    "every_record_reported_is_accounted_for": [
        Damage(CRAWLS, "update {table} set users_reported = 7 where {row}")
    ],
    "features_add_up_to_the_fact": [
        Damage("marts.rpt_user_track_affinities", DELETE),
        Damage("marts.rpt_user_features", DELETE, "user_id in ('0', '1', '2')"),
        Damage(
            "marts.rpt_track_features",
            "update {table} set listen_count = listen_count + 1 where {row}",
            "track_id in ('0', '1', '2')",
        ),
    ],
    "landing_holds_what_the_last_crawl_landed": [
        Damage("raw_moovitamix.users", DELETE, "_dlt_valid_to is null"),
        Damage(
            CRAWLS,
            "update {table} set tracks_carried = 1 where {row}",
            "boundary_at = (select max(boundary_at) from raw_moovitamix.crawls)",
        ),
    ],
    "listens_point_to_the_versions_that_held": [
        Damage(
            FACT, "update {table} set listened_at = timestamp '1850-01-01' where {row}", unit=RECORD
        ),
        Damage(FACT, "update {table} set user_id = 'nobody' where {row}", unit=RECORD),
    ],
    "nothing_is_newer_than_the_boundary": [
        Damage(FACT, "update {table} set record_changed_at = timestamp '2200-01-01' where {row}"),
        Damage(
            "marts.dim_users",
            "update {table} set first_observed_at = timestamp '2200-01-01' where {row}",
        ),
    ],
    "weekly_listens_add_up_to_the_days": [
        Damage(
            "marts.rpt_weekly_active_listeners", "update {table} set listen_count = 7 where {row}"
        )
    ],
}
"""Damage that a test across models finds, by its name."""


@dataclass(frozen=True)
class Audited:
    """A warehouse of two days, the first of which was audited.

    Attributes:
        warehouse: It, with each table as it was after the first day in schema `before`.
        manifest: The project.
        narrow: The tests' SQL by unique id, as of what was built on the second day.
        complete: The same, of all rows.
    """

    warehouse: Warehouse
    manifest: Manifest
    narrow: dict[str, str]
    complete: dict[str, str]


def _days() -> tuple[Day, Day]:
    """Twelve users, of whom three change on the second day; the same of tracks and listens."""
    first = Day(
        users=tuple(user(number) for number in range(12)),
        tracks=tuple(track(number, artist=f"Artist {number}") for number in range(12)),
        listen_history=tuple(
            history(number, [number, (number + 1) % 12], updated_at=datetime(2026, 5, 1 + number))
            for number in range(12)
        ),
    )
    second = first
    for number in range(3):
        second = (
            second.having("users", user(number, gender="Agender", favorite_genres="Pop"))
            .having("tracks", track(number, name="Renamed", artist="Else", genres="pop"))
            .having(
                "listen_history", history(number, [number, 3, 3], updated_at=datetime(2026, 5, 30))
            )
        )
    return first, second


@pytest.fixture(scope="module")
def audited(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory, manifest: Manifest
) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    first, second = _days()
    with empty_database(postgres_server, "audited") as url:
        warehouse = Warehouse(url, folder)
        with psycopg.connect(url, autocommit=True) as connection:
            landing = Landing(connection)
            landing.create()
            landing.crawl(boundary(FIRST), first)
            lists = {str(number): ["7", "8"] for number in range(12)}
            recommend(connection, SINCE.date(), SINCE, lists, lists)
            warehouse.dbt(*BUILD_UNTESTED)
            _remember(connection)
            # what an audit that passes leaves
            connection.execute("delete from intermediate.changed_units")
            settings = Settings(home=folder, external_database_url=url)
            import_export(settings, EXAMPLE)
            import_export(settings, account_data(folder))
            land(settings, play("a", 1, 1, "2026-05-20T08:00:00Z"))
            landing.crawl(boundary(SECOND), second)
        warehouse.dbt(*BUILD_UNTESTED)
        narrow, complete = warehouse.compiled_tests(*NARROW), warehouse.compiled_tests()
        yield Audited(warehouse, manifest, narrow, complete)


def _remember(connection: psycopg.Connection) -> None:
    connection.execute("create schema before")
    for schema, table in connection.execute(
        "select table_schema, table_name from information_schema.tables where table_schema"
        " in ('raw_moovitamix', 'staging', 'intermediate', 'marts', 'health')"
    ).fetchall():
        connection.execute(f"create table before.{table} as table {schema}.{table}")


def _finds(connection: psycopg.Connection, test: str) -> bool:
    return connection.execute(f"select from ({test}) as failing limit 1").fetchone() is not None


def _row(connection: psycopg.Connection, damage: Damage, *, of_late: bool) -> str:
    """A condition that one row meets: one that the second day changed, or one it left alone.

    An old row is of a unit in which nothing changed. Where a day makes all of a table anew, any
    row is of late, and old.
    """
    table, name = damage.table, damage.table.split(".")[1]
    wanted = f"{name}::text not in (select kept::text from before.{name} as kept)"
    if not of_late:
        unit = ", ".join(damage.unit) or "ctid"
        wanted = f"({unit}) not in (select {unit} from {table} where {wanted})"
    for condition in (f"{wanted} and {damage.among}", damage.among):
        found = connection.execute(
            f"select ctid from {table} where {condition} order by ctid limit 1"
        ).fetchone()
        if found:
            return f"ctid = '{found[0]}'"
    raise AssertionError(f"{table} has no row to damage")


def _damages(manifest: Manifest, test: Node) -> list[Damage]:
    """All that a test is to find, one rule of one column at a time."""
    if "test_metadata" not in test:
        return SINGULAR[test["name"]]
    model = manifest.content["nodes"][test["attached_node"]]
    table = f"{model['schema']}.{model['name']}"
    key = model["config"].get("unique_key") or []
    unit = (key,) if isinstance(key, str) else tuple(key)
    statements = _statements(test, model)
    return [Damage(table, statement, unit=unit) for statement in statements]


def _statements(test: Node, model: Node) -> list[str]:
    kind, arguments = test["test_metadata"]["name"], test["test_metadata"]["kwargs"]
    update = "update {table} set %s where {row}"
    if kind == "foreign_keys":
        nobody = {
            "uuid": "gen_random_uuid()",
            "date": "date '1800-01-01'",
            "string": "'nobody'",
        }
        return [
            update % f"{column} = {nobody[model['columns'][column]['data_type']]}"
            for column in arguments["references"]
        ]
    if kind == "unique_keys":
        return [REPEAT]
    if kind == "contiguous_versions":
        return [
            update % "valid_from = valid_from - interval '1 day'",
            update % "valid_to = coalesce(valid_to, valid_from) + interval '1 day'",
            update % "is_current = not is_current",
        ]
    assert kind == "valid_columns"
    changes = [f"{column} = null" for column in arguments.get("never_null", [])]
    for column, values in arguments.get("accepted_values", {}).items():
        changes.append(f"{column} = {-7 if isinstance(values[0], int) else repr('no such value')}")
    for column, (lowest, _) in arguments.get("within", {}).items():
        changes.append(f"{column} = {lowest} - 1")
    return [update % change for change in changes]


def _missed(audited: Audited, tests: dict[str, str], *, of_late: bool) -> list[str]:
    """Each damage to what a test reads that the test does not find."""
    nodes = audited.manifest.content["nodes"]
    missed = []
    with psycopg.connect(audited.warehouse.url, autocommit=True) as connection:
        for unique_id, asked in tests.items():
            node = nodes[unique_id]
            assert not _finds(connection, asked), f"{node['name']} fails without damage"
            for damage in _damages(audited.manifest, node):
                with connection.transaction(force_rollback=True):
                    if "test_metadata" in node:
                        _open_up(connection, nodes[node["attached_node"]])
                    row = _row(connection, damage, of_late=of_late)
                    statement = damage.statement.format(table=damage.table, row=row)
                    changed = connection.execute(_returning(statement, damage.unit)).fetchall()
                    reads_all = of_late and _write_down(connection, damage, changed)
                    if not _finds(connection, audited.complete[unique_id] if reads_all else asked):
                        missed.append(f"{node['name']}: {statement}")
    return missed


def _returning(statement: str, unit: tuple[str, ...]) -> str:
    columns = ", ".join(f"{column}::text" for column in unit) or "1"
    return f"{statement} returning {columns}"


def _write_down(
    connection: psycopg.Connection, damage: Damage, changed: list[tuple[Any, ...]]
) -> bool:
    """Writes down the units of damaged rows, as the build does that makes such rows.

    Returns:
        Whether one of them lacks a key: dbt then compiles a test that reads all of the table.
    """
    names = ["key_1", "key_2", "key_3"][: len(damage.unit)]
    for unit in changed if names else []:
        values = {"model_name": damage.table.split(".")[1], "invocation_id": "1"}
        values |= dict(zip(names, unit, strict=True))
        connection.execute(
            f"insert into intermediate.changed_units ({', '.join(values)})"
            f" values ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )
    return any(None in unit for unit in changed)


def _open_up(connection: psycopg.Connection, model: Node) -> None:
    """Puts a plain table in the place of a table or view: it takes any damage, and has a row."""
    schema, name = model["schema"], model["name"]
    kind = "view" if model["config"]["materialized"] == "view" else "table"
    connection.execute(f"alter {kind} {schema}.{name} rename to {name}__sound")
    connection.execute(f"create table {schema}.{name} as table {schema}.{name}__sound")
    connection.execute(
        f"insert into {schema}.{name} select (null::{schema}.{name}).*"
        f" where not exists (select from {schema}.{name})"
    )


def test_every_test_across_models_has_its_damage(manifest: Manifest) -> None:
    tests = {test["name"] for test in manifest.nodes("test") if "test_metadata" not in test}
    assert set(SINGULAR) == tests


def test_damage_to_what_was_built_of_late_is_found_by_the_narrow_audit(audited: Audited) -> None:
    assert "\n".join(_missed(audited, audited.narrow, of_late=True)) == ""


def test_damage_to_older_rows_is_found_by_the_complete_audit(audited: Audited) -> None:
    assert "\n".join(_missed(audited, audited.complete, of_late=False)) == ""


def test_a_narrow_audit_reads_no_older_rows(audited: Audited) -> None:
    nodes = audited.manifest.content["nodes"]
    of_growing = {
        unique_id: asked
        for unique_id, asked in audited.narrow.items()
        if nodes.get(nodes[unique_id].get("attached_node"), {}).get("name") in GROWING
    }
    models = {nodes[nodes[unique_id]["attached_node"]]["name"] for unique_id in of_growing}
    assert models == GROWING
    missed = _missed(audited, of_growing, of_late=False)
    names = {nodes[unique_id]["name"] for unique_id in of_growing}
    assert {one.partition(":")[0] for one in missed} == names
