"""A proxy between the crawl and the source that answers wrongly where it is told to.

In: the URL of a source, faults, and bad records. Out: the same API over real HTTP, with
answers that fail, hang, are cut or lie, and rows that move while they are read.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import requests

ANSWERS = (
    "500",
    "502",
    "503",
    "429 in seconds",
    "429 by date",
    "reset",
    "time-out",
    "hanging body",
    "cut body",
    "invalid JSON",
    "HTML page",
)
"""Faults of one answer."""

MOVES = ("insert", "delete", "reorder")
"""Faults of the source: rows that move while they are read."""

_PAGE_SIZE = 100


@dataclass(frozen=True)
class Fault:
    """What goes wrong, where, and how often.

    Attributes:
        kind: One of `ANSWERS` or `MOVES`.
        endpoint: Which endpoint.
        page: Which page answers wrongly; a move happens at a crawl's first page.
        times: How many answers, or crawls, are wrong; None for all.
    """

    kind: str
    endpoint: str
    page: int = 1
    times: int | None = 1


class _Envelope(msgspec.Struct):
    items: list[msgspec.Raw]
    total: int


Edit = Callable[[str, list[bytes]], list[bytes]]
"""Given an endpoint and its records, the records to serve."""


class Proxy:
    """Serves a source, with faults.

    Attributes:
        url: Where it listens.
        faults: What goes wrong from here on.
        hits: How often each fault struck.
        struck: Set when a fault strikes.
    """

    def __init__(self) -> None:
        self.url = ""
        self.faults: tuple[Fault, ...] = ()
        self.hits: Counter[Fault] = Counter()
        self.struck = threading.Event()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listings: dict[str, list[bytes]] = {}
        self._passes: Counter[str] = Counter()
        self._source = ""
        self._edit: Edit | None = None

    def serve(self, source: str, edit: Edit | None = None) -> None:
        """Serves another source, or another day of it, without faults.

        Args:
            source: Its base URL.
            edit: Changes its records, the same way at each call.
        """
        with self._lock:
            self._source, self._edit = source, edit
            self._listings = {}
        self.plan()

    def plan(self, *faults: Fault) -> None:
        """Replaces the faults; what struck before is forgotten."""
        with self._lock:
            self.faults = faults
            self.hits = Counter()
            self.struck.clear()
            self._passes = Counter()

    def close(self) -> None:
        """Lets go of the clients that wait for an answer."""
        self._closing.set()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        parts = urlsplit(handler.path)
        endpoint = parts.path.strip("/")
        page = int(parse_qs(parts.query).get("page", ["1"])[0])
        fault = self._strike(endpoint, page)
        body = self._page(endpoint, page)
        if fault is None:
            _send(handler, 200, body)
        elif fault.kind in {"500", "502", "503"}:
            _send(handler, int(fault.kind), b"out of order")
        elif fault.kind == "429 in seconds":
            _send(handler, 429, b"slow down", {"Retry-After": "1"})
        elif fault.kind == "429 by date":
            when = formatdate(time.time() + 1, usegmt=True)
            _send(handler, 429, b"slow down", {"Retry-After": when})
        elif fault.kind == "invalid JSON":
            _send(handler, 200, body[: len(body) // 2])
        elif fault.kind == "HTML page":
            _send(handler, 200, b"<html><body>Maintenance</body></html>")
        elif fault.kind == "cut body":
            _send(handler, 200, body[: len(body) // 2], claimed_length=len(body))
        elif fault.kind == "hanging body":
            _send(handler, 200, body[: len(body) // 2], claimed_length=len(body))
            self._hang(handler.connection)
        elif fault.kind == "time-out":
            self._hang(handler.connection)
        elif fault.kind == "reset":
            # closing with a linger time of 0 resets the connection
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            handler.close_connection = True
            handler.connection.close()
        else:
            raise ValueError(f"no fault is called {fault.kind!r}")

    def _strike(self, endpoint: str, page: int) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if (
                    fault.kind in ANSWERS
                    and (fault.endpoint, fault.page) == (endpoint, page)
                    and (fault.times is None or self.hits[fault] < fault.times)
                ):
                    self.hits[fault] += 1
                    self.struck.set()
                    return fault
        return None

    def _page(self, endpoint: str, page: int) -> bytes:
        with self._lock:
            if endpoint not in self._listings:
                self._listings[endpoint] = self._fetch(endpoint)
            rows = self._listings[endpoint]
            if page == 1:
                # a crawl of the endpoint begins; rows that move do so behind its back
                self._passes[endpoint] += 1
                for fault in self.faults:
                    if (
                        fault.kind in MOVES
                        and fault.endpoint == endpoint
                        and (fault.times is None or self._passes[endpoint] <= fault.times)
                    ):
                        self.hits[fault] += 1
                        rows = _before_the_move(fault.kind, rows)
            shown = rows[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
            total = len(rows)
        tail = {"total": total, "page": page, "size": _PAGE_SIZE, "pages": -(-total // _PAGE_SIZE)}
        return b'{"items":[' + b",".join(shown) + b"]," + json.dumps(tail).encode()[1:]

    def _fetch(self, endpoint: str) -> list[bytes]:
        rows: list[bytes] = []
        page = 1
        while True:
            answer = requests.get(
                f"{self._source}/{endpoint}",
                params={"page": page, "size": _PAGE_SIZE},
                timeout=30,
            )
            answer.raise_for_status()
            envelope = msgspec.json.decode(answer.content, type=_Envelope)
            rows.extend(bytes(item) for item in envelope.items)
            if len(rows) >= envelope.total:
                return self._edit(endpoint, rows) if self._edit else rows
            page += 1

    def _hang(self, connection: socket.socket) -> None:
        """Holds the connection until the client gives up."""
        connection.settimeout(0.2)
        while not self._closing.is_set():
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


def _before_the_move(kind: str, rows: list[bytes]) -> list[bytes]:
    """The rows as the first page shows them; later pages show them as they are."""
    if kind == "insert":
        return rows[:1] + rows[2:]
    if kind == "delete":
        return rows[:1] + rows
    return rows[7:] + rows[:7]


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    claimed_length: int | None = None,
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(claimed_length or len(body)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
    if claimed_length:
        handler.close_connection = True


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """Serves a proxy on a free port; tell it what to serve."""
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # without it every answer waits for the client's acknowledgement
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            try:
                proxy.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):  # a client that was killed, or that we cut off
                return

        def log_message(self, *_arguments: object) -> None:
            """Stays silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: Any) -> None:
            """Stays silent: clients are killed here on purpose."""

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.close()
            server.shutdown()
            thread.join()


def lasting(fault: Fault) -> Fault:
    """The same fault, for good."""
    return replace(fault, times=None)
