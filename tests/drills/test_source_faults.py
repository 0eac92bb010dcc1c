"""A source that answers wrongly, or whose rows move: over a real proxy, by name."""

from __future__ import annotations

import pytest

from tests.drills.bench import Bench
from tests.drills.proxy import ANSWERS, Fault

pytestmark = pytest.mark.xdist_group("drills")

CAUSES = {
    "500": "status 500",
    "502": "status 502",
    "503": "status 503",
    "429 in seconds": "status 429",
    "429 by date": "status 429",
    "reset": "connection lost",
    "time-out": "time-out",
    "hanging body": "time-out",
    "cut body": "cut body",
    "invalid JSON": "no JSON",
    "HTML page": "no JSON",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_wrong_answer_is_survived_for_a_moment_and_refused_for_good(
    bench: Bench, kind: str
) -> None:
    bench.proxy.plan(Fault(kind, "tracks", 2, times=None))
    failed = bench.load(1)
    assert failed.code == 1
    assert "/tracks page 2" in failed.message
    assert CAUSES[kind] in failed.message
    assert bench.days == [0]
    assert bench.compare_landing(0, at_rest=True) == []

    bench.proxy.plan(Fault(kind, "users", 2, times=1), Fault(kind, "listen_history", 1, times=2))
    assert bench.load(1).code == 0
    assert sum(bench.proxy.hits.values()) == 3
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.parametrize("kind", ["insert", "delete", "reorder"])
def test_rows_that_move_during_the_crawl_leave_no_trace(bench: Bench, kind: str) -> None:
    bench.proxy.plan(*(Fault(kind, endpoint) for endpoint in ("users", "tracks")))
    assert bench.load(1).code == 0
    assert sum(bench.proxy.hits.values()) == 2
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.parametrize("kind", ["insert", "delete"])
def test_rows_that_never_stop_moving_are_refused(bench: Bench, kind: str) -> None:
    bench.proxy.plan(Fault(kind, "users", times=None))
    failed = bench.load(1)
    assert failed.code == 1
    assert "/users cannot be read completely" in failed.message
    assert bench.days == [0]

    bench.proxy.plan()
    assert bench.load(1).code == 0
    assert bench.compare_landing(0, at_rest=True) == []
