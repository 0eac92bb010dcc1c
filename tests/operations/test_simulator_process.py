"""The simulator in the background."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from operations.services.simulator_process import find_simulator, start_simulator, stop_simulator
from tests.conftest import free_port
from warehouse.errors import SimulatorError
from warehouse.settings import Settings


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a simulator that is stopped afterwards."""
    settings = Settings(home=tmp_path / "home", simulator_port=free_port())
    yield settings
    stop_simulator(settings)


def first_history(settings: Settings) -> object:
    return requests.get(f"{settings.api_url}/listen_history", timeout=5).json()


def test_it_serves_the_day_asked_for_and_moves_on(source: Settings) -> None:
    assert start_simulator(source, day=0)
    first_day = first_history(source)
    assert not start_simulator(source, day=0)
    assert first_history(source) == first_day

    assert start_simulator(source, day=1)
    assert first_history(source) != first_day
    running = find_simulator(source)
    assert running is not None
    assert running.day == 1


def test_it_stops_once(source: Settings) -> None:
    start_simulator(source, day=0)
    assert stop_simulator(source)
    assert find_simulator(source) is None
    assert not stop_simulator(source)


def test_a_port_that_another_program_has_is_named(source: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", source.simulator_port)),
        pytest.raises(SimulatorError, match=f"Port {source.simulator_port} .* taken"),
    ):
        start_simulator(source, day=0)


def test_a_process_id_that_is_anothers_by_now_is_not_taken_for_it(source: Settings) -> None:
    start_simulator(source, day=0)
    state = source.simulator_state_file.read_text()
    stop_simulator(source)
    # the same number, for a process that was created at another time: this one
    running = state.replace(state.split('"pid": ')[1].split(",")[0], str(os.getpid()), 1)
    source.simulator_state_file.write_text(running)

    assert find_simulator(source) is None
