"""Two people, one warehouse."""

from __future__ import annotations

import pytest

from tests.dbt_project.warehouse_build import BUILD_LISTENING
from tests.drills.bench import Bench, clock_of
from tests.drills.killer import Kill
from tests.drills.processes import Ending, Scene, run_load
from tests.drills.proxy import Fault

pytestmark = pytest.mark.xdist_group("drills")


def test_a_second_run_at_once_is_told_who_runs_and_changes_nothing(bench: Bench) -> None:
    seconds: list[Ending] = []

    def run_another(_pid: int) -> None:
        # the first run waits for an answer, its lock is held
        assert bench.proxy.struck.wait(30)
        elsewhere = bench.settings.but(home=bench.folder / "another")
        scene = Scene(elsewhere, bench.folder / "second", bench.victim)
        seconds.append(run_load(scene, clock_of(1)))

    bench.proxy.plan(Fault("time-out", "users", 2))
    first = bench.load(1, meanwhile=run_another)

    (second,) = seconds
    assert second.code == 75
    assert "Another run is under way (listenhouse run pid" in second.message
    assert first.code == 0
    assert bench.days == [0, 1]
    assert bench.compare_landing(0, at_rest=True) == []


def test_a_run_for_a_day_already_done_changes_nothing(bench: Bench) -> None:
    assert bench.load(1).code == 0
    assert bench.load(1).code == 0
    assert bench.days == [0, 1, 1]
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.rare
def test_a_build_beside_a_half_merged_load_builds_the_day_before(built_bench: Bench) -> None:
    bench = built_bench
    merged = Kill("kill", "before ingestion.landing.load:commit_crawl")
    assert bench.load(1, merged).code == -9
    assert bench.build(None, *BUILD_LISTENING, "--full-refresh").code == 0
    assert bench.compare_marts(0) == []

    assert bench.load(1).code == 0
    assert bench.build().code == 0
    assert bench.compare_marts(0) == []
