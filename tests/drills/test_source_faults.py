"""A source that answers wrongly, or whose rows move: over a real proxy, by name."""

from __future__ import annotations

from dataclasses import replace

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
    "invalid JSON": "not JSON",
    "HTML page": "not JSON",
}


MOVED = ("users", "tracks", "listen_history")


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_wrong_answer_for_good_is_refused_and_named(bench: Bench, kind: str) -> None:
    bench.proxy.plan(Fault(kind, "tracks", 2, times=None))
    failed = bench.load(1)
    assert failed.code == 1
    assert "/tracks page 2" in failed.message
    assert CAUSES[kind] in failed.message
    assert bench.days == [0]
    assert bench.compare_landing(0, at_rest=True) == []


def test_wrong_answers_of_every_kind_are_survived_for_a_moment(bench: Bench) -> None:
    pages = [("users", page) for page in (1, 2, 3, 4)]
    pages += [("tracks", page) for page in (1, 2, 3)]
    pages += [("listen_history", page) for page in (1, 2, 3, 4)]
    assert len(pages) == len(ANSWERS)
    faults = [Fault(kind, *page, times=1) for kind, page in zip(ANSWERS, pages, strict=True)]
    # one that lasts a little longer
    faults[-1] = replace(faults[-1], times=2)
    bench.proxy.plan(*faults)
    assert bench.load(1).code == 0
    assert sum(bench.proxy.hits.values()) == len(ANSWERS) + 1
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.rare
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_wrong_answer_is_survived_twice_in_a_load(bench: Bench, kind: str) -> None:
    bench.proxy.plan(Fault(kind, "users", 2, times=1), Fault(kind, "listen_history", 1, times=2))
    assert bench.load(1).code == 0
    assert sum(bench.proxy.hits.values()) == 3
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.parametrize(
    "kinds",
    [
        ("insert", "delete", "reorder"),
        pytest.param(("delete", "reorder", "insert"), marks=pytest.mark.rare),
        pytest.param(("reorder", "insert", "delete"), marks=pytest.mark.rare),
    ],
)
def test_rows_that_move_during_the_crawl_leave_no_trace(bench: Bench, kinds: tuple[str]) -> None:
    bench.proxy.plan(*(Fault(*fault) for fault in zip(kinds, MOVED, strict=True)))
    assert bench.load(1).code == 0
    assert sum(bench.proxy.hits.values()) == len(kinds)
    assert bench.compare_landing(0, at_rest=True) == []


@pytest.mark.parametrize("kind", ["insert", pytest.param("delete", marks=pytest.mark.rare)])
def test_rows_that_never_stop_moving_are_refused(bench: Bench, kind: str) -> None:
    bench.proxy.plan(Fault(kind, "users", times=None))
    failed = bench.load(1)
    assert failed.code == 1
    assert "/users cannot be read completely, read 4 times: " in failed.message
    assert bench.days == [0]

    bench.proxy.plan()
    assert bench.load(1).code == 0
    assert bench.compare_landing(0, at_rest=True) == []
