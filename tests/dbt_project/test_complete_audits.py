"""When all rows are read, and what an audit takes as read."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from operations.daily_run.audit import Audit
from tests.dbt_project.landing import boundary
from tests.dbt_project.parsed_project import parsed_project
from tests.dbt_project.warehouse_build import Warehouse

UNIT = (
    "insert into intermediate.changed_units (model_name, key_1, invocation_id) values (%s, 'x', %s)"
)


@pytest.fixture
def lock(built: Warehouse) -> Iterator[psycopg.Connection]:
    """The run's connection to a warehouse that was built and never audited."""
    with psycopg.connect(built.url, autocommit=True) as connection:
        yield connection


def plan(lock: psycopg.Connection, *, complete: bool = False, other_test: bool = False) -> Audit:
    """What the next run decides, of the project or of one with another test."""
    manifest = parsed_project(f"postgresql://listenhouse@localhost:1/{lock.info.dbname}")
    if other_test:
        test = next(node for name, node in manifest.nodes.items() if name.startswith("test."))
        test.raw_code += " limit 1"
    return Audit(lock, manifest, complete=complete)


def passed(lock: psycopg.Connection, *, complete: bool = False) -> Audit:
    audit = plan(lock, complete=complete)
    audit.begin()
    audit.succeed("its build")
    return audit


def test_rows_are_left_out_only_behind_an_audit_that_passed(lock: psycopg.Connection) -> None:
    assert (plan(lock).since, plan(lock).reason) == (None, "the first")
    passed(lock)
    narrow = passed(lock)
    assert narrow.since == boundary(1).replace(tzinfo=None)
    assert narrow.description == "on what was built since 2026-06-01 03:00:00 UTC"
    assert plan(lock, complete=True).reason == "asked for"
    assert plan(lock, other_test=True).reason == "the tests are others than those of the last one"

    plan(lock).begin()
    assert plan(lock).reason == "the last one failed or was interrupted"
    assert passed(lock).since is None
    assert passed(lock).since is not None


def test_all_rows_are_read_once_a_week(lock: psycopg.Connection) -> None:
    passed(lock)
    lock.execute("update intermediate.audits set started_at = started_at - interval '6.9 days'")
    assert passed(lock).since is not None
    lock.execute("update intermediate.audits set started_at = started_at - interval '0.1 days'")
    assert plan(lock).reason == "the last complete one is 7 days old"


def test_all_rows_are_read_after_a_crawl_was_withdrawn(lock: psycopg.Connection) -> None:
    passed(lock)
    lock.execute("delete from raw_moovitamix.crawls")
    assert plan(lock).reason == "the crawl of the last one was withdrawn"


def test_what_others_build_meanwhile_is_left_to_the_next_audit(lock: psycopg.Connection) -> None:
    lock.execute(UNIT, ("dim_users", "somebody's, before"))
    audit = plan(lock)
    audit.begin()
    lock.execute(UNIT, ("dim_users", "its build"))
    lock.execute(UNIT, ("dim_tracks", "somebody's, meanwhile"))
    audit.succeed("its build")
    left = lock.execute("select model_name from intermediate.changed_units").fetchall()
    assert left == [("dim_tracks",)]
