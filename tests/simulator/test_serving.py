"""The command line and the server around the application."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from simulator import (
    PortTakenError,
    World,
    WorldConfig,
    lose_listens,
    running,
    spoil_tracks,
)

SMALL = WorldConfig(users=20, tracks=20)
COMMAND = [sys.executable, "-m", "simulator"]


def test_the_command_serves_the_day_asked_for_until_interrupted() -> None:
    options = "--port 0 --users 30 --tracks 40 --histories 45 --listens 300 --seed 7 --day 2"
    config = WorldConfig(users=30, tracks=40, histories=45, listens=300, seed=7, tastes=False)
    with subprocess.Popen(
        [*COMMAND, *options.split(), "--no-tastes"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            announcement = server.stdout.readline()
            assert announcement.startswith("Serving day 2 (2026-01-03), ")
            url = announcement.split()[-1]
            world = World.at(2, config)
            # the line is printed before the socket listens
            client = httpx.Client(transport=httpx.HTTPTransport(retries=5), base_url=url)
            assert client.get("/users").content == world.page("users")
            assert client.get("/listen_history").content == world.page("listen_history")
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: cannot serve on 127.0.0.1:{port}: address already in use; "
        "stop what uses the port or choose another with --port\n"
    )


def test_a_day_can_be_served_gone_wrong() -> None:
    options = "--port 0 --users 20 --tracks 20 --day 3 --lost-listens 1 --bad-tracks 4"
    with subprocess.Popen(
        [*COMMAND, *options.split()], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            client = httpx.Client(
                transport=httpx.HTTPTransport(retries=5),
                base_url=server.stdout.readline().split()[-1],
            )
            spoiled = spoil_tracks(World.at(3, SMALL), 4)
            assert client.get("/tracks").content == spoiled.page("tracks")
            assert client.get("/listen_history").content == (
                lose_listens(spoiled, 1).page("listen_history")
            )
        finally:
            server.send_signal(signal.SIGINT)


def test_sizes_that_cannot_be_are_one_clear_line() -> None:
    done = subprocess.run(
        [*COMMAND, "--users", "0", "--histories", "5"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Error: histories need users; ask for at least one user.\n"


def test_running_on_a_taken_port_says_so() -> None:
    with (
        running(World.at(0, SMALL)) as url,
        pytest.raises(PortTakenError, match="already in use"),
        running(World.at(0, SMALL), port=int(url.rsplit(":", 1)[1])),
    ):
        pass


def test_the_port_is_free_again_afterwards() -> None:
    with running(World.at(0, SMALL)) as url:
        assert httpx.get(f"{url}/users").status_code == 200
    with running(World.at(0, SMALL), port=int(url.rsplit(":", 1)[1])) as again:
        assert again == url
        assert httpx.get(f"{url}/users").status_code == 200
