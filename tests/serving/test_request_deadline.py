"""A request that is not sent to its end holds a connection for some seconds, and nobody else up."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress

import pytest

from serving.request_deadline import DeadlineProtocol
from tests.serving.answers import LIST
from tests.serving.conftest import address_of, serving, settings_for

SECONDS = 0.4

HEAD = f"GET {LIST} HTTP/1.1\r\nHost: here\r\n".encode()
WITH_BODY = HEAD + b"Content-Length: 100\r\n\r\n"
WHOLE = HEAD + b"\r\n"
DRIPS = b"X-Long: " + b"x" * 10_000

HALF_SENT = {
    "nothing": (b"", b""),
    "half a head": (HEAD, b""),
    "a head that drips": (HEAD, DRIPS),
    "half a body": (WITH_BODY, b"x"),
    "a body that drips": (WITH_BODY, b"x" * 99),
    "a body that drips, and half a second head": (WITH_BODY, b"x" * 100 + DRIPS),
    "blank lines after an answer": (WHOLE, b"\r\n" * 5_000),
    "half a second request": (WHOLE + HEAD, DRIPS),
    "half a second body": (WHOLE + WITH_BODY, b"x" * 99),
    "chunks without an end": (
        b"POST /healthz HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n" * 2_000,
    ),
}
"""What is sent at once, and what a byte at a time."""


def test_half_sent_requests_are_given_up_and_whole_ones_answered(
    listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadlineProtocol, "request_seconds", SECONDS)
    with serving(settings_for(listed)) as client, ExitStack() as connections:

        def connect() -> socket.socket:
            return connections.enter_context(socket.create_connection(address_of(client), 30))

        begin = time.monotonic()
        held = {name: (connect(), iter(drips)) for name, (_, drips) in HALF_SENT.items()}
        for name, (slow, _) in held.items():
            slow.sendall(HALF_SENT[name][0])
            slow.settimeout(0.001)
        given_up = dict.fromkeys(held, 0.0)
        while held:
            now = time.monotonic() - begin
            assert now < 10 * SECONDS, f"held still: {', '.join(held)}"
            for name, (slow, drips) in [*held.items()]:
                # each byte would put a time-out for silence off
                with suppress(OSError, StopIteration):
                    slow.sendall(bytes([next(drips)]))
                if is_closed(slow):
                    given_up[name] = now
                    del held[name]
        # each was given the time
        assert min(given_up.values()) > SECONDS / 2
        # longer in all than a request may take
        patient = connect()
        for _ in range(3):
            time.sleep(SECONDS / 2)
            patient.sendall(WHOLE)
            assert b" 200 " in patient.recv(65536)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has hung up; reads what it has said."""
    try:
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
