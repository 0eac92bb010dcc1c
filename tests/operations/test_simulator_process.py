"""The simulator in the background."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from operations.services.simulator_process import (
    SimulatedDay,
    day_to_serve,
    find_simulator,
    start_simulator,
    stop_simulator,
)
from simulator import World, WorldConfig
from tests.conftest import free_port
from warehouse.errors import SimulatorError
from warehouse.settings import Settings


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a simulator that is stopped afterwards."""
    settings = Settings(home=tmp_path / "home", simulator_port=free_port())
    yield settings
    stop_simulator(settings)


START_DATE = date(2026, 3, 1)
FIRST_DAY, SECOND_DAY = SimulatedDay(0, START_DATE), SimulatedDay(1, START_DATE)


def first_history(settings: Settings) -> object:
    return requests.get(f"{settings.api_url}/listen_history", timeout=5).json()


def test_it_serves_the_day_asked_for_and_moves_on(source: Settings) -> None:
    assert start_simulator(source, FIRST_DAY)
    first_day = first_history(source)
    assert not start_simulator(source, FIRST_DAY)
    assert first_history(source) == first_day

    assert start_simulator(source, SECOND_DAY)
    assert first_history(source) != first_day
    running = find_simulator(source)
    assert running is not None
    assert (running.day, running.as_of) == (1, "2026-03-02")
    world = World.at(1, WorldConfig(start_date=START_DATE))
    served = requests.get(f"{source.api_url}/listen_history", timeout=5).content
    assert served == world.page("listen_history")


@pytest.mark.parametrize(
    ("days_of_march", "number"),
    [
        ([5], 0),
        ([5, 5, 5], 2),
        ([5, 6, 7], 2),
        # nobody ran for a week, and the world went on
        ([5, 12], 7),
        ([5, 12, 12], 8),
        # ahead by the runs of the first day, until the calendar has caught up
        ([5, 5, 5, 6], 3),
        ([5, 5, 5, 9, 10], 5),
    ],
)
def test_each_crawl_meets_another_day_and_none_behind_the_calendar(
    days_of_march: list[int], number: int
) -> None:
    crawled_on = [date(2026, 3, day) for day in days_of_march]
    assert day_to_serve(crawled_on) == SimulatedDay(number, date(2026, 3, 5))


def test_it_stops_once(source: Settings) -> None:
    start_simulator(source, FIRST_DAY)
    assert stop_simulator(source)
    assert find_simulator(source) is None
    assert not stop_simulator(source)


def test_a_port_that_another_program_has_is_named(source: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", source.simulator_port)),
        pytest.raises(SimulatorError, match=f"Port {source.simulator_port} .* taken"),
    ):
        start_simulator(source, FIRST_DAY)


def test_a_process_id_that_is_anothers_by_now_is_not_taken_for_it(source: Settings) -> None:
    start_simulator(source, FIRST_DAY)
    state = source.simulator_state_file.read_text()
    stop_simulator(source)
    # the same number, for a process that was created at another time: this one
    running = state.replace(state.split('"pid": ')[1].split(",")[0], str(os.getpid()), 1)
    source.simulator_state_file.write_text(running)

    assert find_simulator(source) is None
