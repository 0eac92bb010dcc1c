"""Every way in which a run can die, by name: what is left is as before, the next run heals it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from tests.drills.bench import DATABASE, Bench
from tests.drills.killer import POINTS, Kill, drop_connections
from tests.drills.proxy import Fault
from tests.small_disk import small_disk_at
from warehouse.settings import PROJECT_ROOT

pytestmark = pytest.mark.xdist_group("drills")

STEPS = tuple(dict.fromkeys(step for step, _ in POINTS))
CHANGING = {"load", "merge", "commit"}
"""Steps that change the warehouse, and can be done in part."""

COMMIT = "dlt.destinations.impl.postgres.sql_client:Psycopg2SqlClient.commit_transaction"
MERGE = "dlt.destinations.job_client_impl:SqlLoadJob.run"
AS_IN_THE_FOREGROUND = """
import runpy, signal
# a process that was started in the background has it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("ingestion", run_name="__main__")
"""


def finish(bench: Bench, day: int = 1) -> None:
    """Runs a load that nothing breaks: it leaves what a clean run leaves."""
    ending = bench.load(day)
    assert ending.code == 0, ending.message
    assert bench.compare_landing(0, at_rest=True) == []


def kill_and_heal(bench: Bench, kills: list[Kill]) -> None:
    """Kills a load at each of some points, each time of the same morning; the last is healed."""
    for kill in kills:
        # anew each time: what one dead load merged would hide what the next leaves undone
        bench.begin(0, 1)
        assert bench.load(1, kill).code == -9, kill
        assert bench.compare_landing(0, at_rest=False) == [], kill
    finish(bench)


@pytest.mark.parametrize("step", STEPS)
def test_a_load_killed_in_any_step_is_healed_by_the_next(bench: Bench, step: str) -> None:
    *others, last = [point for of, point in POINTS if of == step]
    calls = bench.clean(0, 1).points
    # when the last call is over, all that it does is done
    kills = [Kill("kill", f"after {last}", calls[f"after {last}"])]
    if step in CHANGING:
        # in its middle
        first = others[0] if others else last
        kills.append(Kill("kill", f"after {first}", max(1, calls[f"after {first}"] // 2)))
    kill_and_heal(bench, kills)


@pytest.mark.rare
@pytest.mark.parametrize(("step", "point"), POINTS)
def test_a_load_killed_at_any_point_is_healed_by_the_next(
    bench: Bench, step: str, point: str
) -> None:
    calls = bench.clean(0, 1).points[f"after {point}"]
    kills = [Kill("kill", f"after {point}", calls)]
    if step in CHANGING:
        kills += [Kill("kill", f"before {point}"), Kill("kill", f"after {point}", calls // 2)]
    kill_and_heal(bench, kills if calls > 1 else kills[:2])


def test_the_very_first_load_can_be_killed_too(bench: Bench) -> None:
    bench.begin(0, 0)
    call = bench.clean(0, 0).points[f"before {COMMIT}"] // 2
    assert bench.load(0, Kill("kill", f"before {COMMIT}", call)).code == -9
    assert bench.days == []
    finish(bench, day=0)


@pytest.mark.rare
@pytest.mark.parametrize("point", [f"before {COMMIT}", f"after {MERGE}"])
def test_the_very_first_load_can_be_killed_again_and_again(bench: Bench, point: str) -> None:
    bench.begin(0, 0)
    for call in range(1, bench.clean(0, 0).points[point] + 1):
        assert bench.load(0, Kill("kill", point, call)).code == -9
        assert bench.days == []
    finish(bench, day=0)


def test_builds_that_die_after_a_load_that_died_are_healed_by_the_next(built_bench: Bench) -> None:
    bench = built_bench
    committed = Kill("kill", "before ingestion.landing.load:_count_versions")
    assert bench.load(1, committed).code == -9
    assert bench.days == [0, 1]
    assert bench.compare_landing(0, at_rest=True) == []
    users, listens = (node_named(bench, name) for name in ("dim_users", "fct_listens"))
    assert bench.build(Kill("kill", users)).code == -9
    assert bench.build(Kill("crash", listens)).code == 1
    assert bench.build().code == 0
    assert bench.compare_marts(0) == []


@pytest.mark.rare
def test_a_build_killed_in_any_kind_of_model_is_healed_by_the_next(built_bench: Bench) -> None:
    finish(built_bench)
    for name in ("base_crawls__committed", "dim_users", "fct_listens", "affinities"):
        assert built_bench.build(Kill("kill", node_named(built_bench, name))).code == -9
    assert built_bench.build().code == 0
    assert built_bench.compare_marts(0) == []


@pytest.mark.rare
def test_a_run_killed_between_load_and_build_is_healed_by_the_build(built_bench: Bench) -> None:
    committed = Kill("kill", "before ingestion.landing.load:_count_versions")
    assert built_bench.load(1, committed).code == -9
    assert built_bench.days == [0, 1]
    assert built_bench.compare_landing(0, at_rest=True) == []
    assert built_bench.build().code == 0
    assert built_bench.compare_marts(0) == []


def node_named(bench: Bench, name: str) -> str:
    """The first model that a clean build builds of those that are called so."""
    return next(node for node in bench.built(0, 1).nodes if name in node)


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGINT, 130, "Interrupted: nothing of it"), (signal.SIGTERM, -15, "")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_signal_during_the_crawl_ends_the_command_without_a_trace(
    bench: Bench, number: signal.Signals, code: int, message: str
) -> None:
    bench.proxy.plan(Fault("time-out", "users", 2))
    variables = {
        "LISTENHOUSE_DATABASE_URL": bench.settings.database_url,
        "LISTENHOUSE_API_URL": bench.settings.api_url,
        "LISTENHOUSE_HOME": str(bench.settings.home),
        "LISTENHOUSE_REQUEST_TIMEOUT_SECONDS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", AS_IN_THE_FOREGROUND],
        cwd=PROJECT_ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert bench.proxy.struck.wait(60)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == code
    assert message in stderr
    assert "Traceback" not in stderr
    bench.proxy.plan()
    assert bench.compare_landing(0, at_rest=False) == []
    finish(bench)


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("interrupt", 1),
        ("terminate", 2),
        pytest.param("interrupt", 2, marks=pytest.mark.rare),
        pytest.param("interrupt", 3, marks=pytest.mark.rare),
        pytest.param("terminate", 1, marks=pytest.mark.rare),
        pytest.param("terminate", 3, marks=pytest.mark.rare),
    ],
)
def test_a_signal_during_the_merge_ends_the_load_between_two_jobs(
    bench: Bench, method: str, call: int
) -> None:
    ending = bench.load(1, Kill(method, f"before {MERGE}", call))
    # in its last job dlt has nothing left to leave out: the load is complete, and committed
    assert (ending.code, bench.days) in [(1, [0]), (0, [0, 1])]
    if ending.code:
        assert "Nothing of it is visible" in ending.message
    assert bench.compare_landing(0, at_rest=False) == []
    finish(bench)


@pytest.mark.parametrize(
    ("method", "point"),
    [
        ("crash", f"before {COMMIT}"),
        ("disconnect", "before ingestion.landing.load:commit_crawl"),
        pytest.param("crash", f"before {MERGE}", marks=pytest.mark.rare),
        pytest.param("crash", "before ingestion.landing.load:commit_crawl", marks=pytest.mark.rare),
        pytest.param("disconnect", f"before {MERGE}", marks=pytest.mark.rare),
        pytest.param("disconnect", f"before {COMMIT}", marks=pytest.mark.rare),
    ],
)
def test_a_server_that_dies_or_hangs_up_is_named_and_healed(
    bench: Bench, method: str, point: str
) -> None:
    ending = bench.load(1, Kill(method, point))
    assert ending.code == 1
    assert (
        "Nothing of it is visible" in ending.message or "nothing of an unfinished" in ending.message
    )
    assert bench.days == [0]
    assert bench.compare_landing(0, at_rest=False) == []
    finish(bench)


@pytest.mark.rare
def test_a_server_that_dies_during_a_build_is_healed_by_the_next_build(built_bench: Bench) -> None:
    finish(built_bench)
    crash = Kill("crash", node_named(built_bench, "fct_listens"))
    assert built_bench.build(crash).code == 1
    assert built_bench.build().code == 0
    assert built_bench.compare_marts(0) == []


def test_the_dlt_directory_can_be_lost_between_runs(bench: Bench) -> None:
    assert bench.load(1, Kill("kill", f"after {MERGE}")).code == -9
    bench.lose_dlt_directory()
    finish(bench)
    bench.lose_dlt_directory()
    bench.serve(0, 2)
    finish(bench, day=2)


def test_a_laptop_that_sleeps_for_a_day_in_the_middle_of_a_crawl(bench: Bench) -> None:
    def sleep_for_a_day(pid: int) -> None:
        assert bench.proxy.struck.wait(30)
        os.kill(pid, signal.SIGSTOP)
        drop_connections(bench.victim)
        bench.serve(0, 2)
        os.kill(pid, signal.SIGCONT)

    bench.proxy.plan(Fault("time-out", "listen_history", 2))
    ending = bench.load(1, meanwhile=sleep_for_a_day)

    assert ending.code == 1
    assert "PostgreSQL" in ending.message
    assert bench.days == [0]
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.parametrize(
    "point",
    [
        f"after {MERGE}",
        pytest.param("before ingestion.landing.load:commit_crawl", marks=pytest.mark.rare),
    ],
)
def test_a_day_that_died_and_was_not_run_again_leaves_the_next_day_exact(
    bench: Bench, point: str
) -> None:
    # dead in the middle of the merge, or between merge and commit; nobody sees day 1 again
    assert bench.load(1, Kill("kill", point)).code == -9
    assert bench.compare_landing(0, at_rest=False) == []
    bench.serve(0, 2)
    assert bench.load(2).code == 0
    assert bench.days == [0, 2]
    after_a_death = current_hashes(bench)

    bench.begin(0, 2)
    assert bench.load(2).code == 0
    assert after_a_death == current_hashes(bench)


def current_hashes(bench: Bench) -> dict[str, list[tuple[str]]]:
    """The hashes of the versions that are valid, by endpoint."""
    with bench.connect() as connection:
        return {
            endpoint.name: connection.execute(
                sql.SQL("select row_hash from {} where _dlt_valid_to is null order by 1").format(
                    sql.Identifier(LANDING_SCHEMA, endpoint.name)
                )
            ).fetchall()
            for endpoint in ENDPOINTS
        }


@pytest.fixture
def small_disk(bench: Bench, tmp_path: Path) -> Iterator[Path]:
    """A disk that is full, and where the tables of the warehouse go; yields the ballast."""
    with small_disk_at(tmp_path / "disk", "64m") as disk:
        location = disk / "tables"
        location.mkdir(mode=0o700)
        with psycopg.connect(bench.administration_url, autocommit=True) as connection:
            connection.execute(f"create tablespace small_disk location '{location}'")
            connection.execute(f"alter database {DATABASE} set default_tablespace = small_disk")
        yield disk / "ballast"
        bench.empty()
        with psycopg.connect(bench.administration_url, autocommit=True) as connection:
            connection.execute("drop tablespace small_disk")


@pytest.mark.rare
def test_a_full_disk_during_the_load_is_named_and_healed_by_space(
    bench: Bench, small_disk: Path
) -> None:
    bench.begin(0, 0)
    with psycopg.connect(bench.administration_url, autocommit=True) as connection:
        connection.execute(f"alter database {DATABASE} set default_tablespace = small_disk")
    available = os.statvfs(small_disk.parent)
    with small_disk.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, available.f_bavail * available.f_frsize - 400_000)
    ending = bench.load(0)
    assert ending.code == 1
    assert "No space left on device" in ending.message
    assert bench.days == []

    small_disk.unlink()
    finish(bench, day=0)


def test_a_load_that_the_server_has_no_space_for_is_named_and_healed_by_space(
    bench: Bench,
) -> None:
    # the error that PostgreSQL raises on a full disk, where no disk can be filled
    with bench.connect() as connection:
        connection.execute(
            """
            create function public.refuse() returns trigger language plpgsql as $$ begin
                raise disk_full using message =
                    'could not extend file "base/1/2": No space left on device';
            end $$;
            create trigger full_disk before insert on raw_moovitamix_staging.users
                execute function public.refuse()
            """
        )
    ending = bench.load(1)
    assert ending.code == 1
    assert "No space left on device" in ending.message
    assert bench.days == [0]
    assert bench.compare_landing(0, at_rest=False) == []

    with bench.connect() as connection:
        connection.execute("drop function public.refuse cascade")
    finish(bench)
