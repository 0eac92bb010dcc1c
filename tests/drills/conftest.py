"""A bench for all drills of a test session: its clean runs are computed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.bench import Bench, running_bench


@pytest.fixture(scope="session")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server, a proxy and clean days."""
    with running_bench(tmp_path_factory.mktemp("drills")) as bench:
        yield bench


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The bench, on the morning of day 1 of world 0: day 0 is landed and built."""
    shared_bench.clean(0, 2)
    shared_bench.begin(0, 1)
    return shared_bench
