"""A bench for all drills of a test session: its clean runs are computed once.

Of each kind of fault one drill runs in every test run. The others have the mark `rare`, and run
with `--every-drill`, as `make drill` has it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.bench import Bench, running_bench


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option, where drills are all that is asked for: `pytest tests/drills`."""
    parser.addoption("--every-drill", action="store_true", help="run the rare drills as well")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line("markers", "rare: a drill that `make drill` runs, and no other")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves rare drills out, unless they are asked for."""
    if config.getoption("--every-drill", default=False):
        return
    rare = [item for item in items if item.get_closest_marker("rare")]
    items[:] = [item for item in items if item not in rare]
    config.hook.pytest_deselected(items=rare)


@pytest.fixture(scope="session")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server, a proxy and clean days."""
    with running_bench(tmp_path_factory.mktemp("drills")) as bench:
        yield bench


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The bench, on the morning of day 1 of world 0: day 0 is landed."""
    shared_bench.clean(0, 2)
    shared_bench.begin(0, 1)
    return shared_bench


@pytest.fixture
def built_bench(shared_bench: Bench) -> Bench:
    """The bench, on the morning of day 1 of world 0: day 0 is landed and built."""
    shared_bench.clean(0, 1)
    shared_bench.built(0, 1)
    shared_bench.begin(0, 1, built=True)
    return shared_bench
