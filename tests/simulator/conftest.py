"""Worlds to look at, made once per run: a world is never changed, so that tests can share it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from simulator import World, WorldConfig, running


@pytest.fixture(scope="session")
def world() -> World:
    return World.at(0)


@pytest.fixture(scope="session")
def next_world(world: World) -> World:
    return world.advance()


@pytest.fixture(scope="session")
def large_world() -> World:
    """Enough users for statistics."""
    return World.at(0, WorldConfig(users=10_000, tracks=4_000, listens=200_000))


@pytest.fixture(scope="session")
def api(world: World) -> Iterator[httpx.Client]:
    """A client of the default world, served over HTTP."""
    with running(world) as url, httpx.Client(base_url=url) as client:
        yield client
