"""An API over real HTTP whose records and faults a test decides."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any
from urllib.parse import parse_qs, urlsplit

TIMESTAMP = "2026-03-01T10:00:00.000001"


@dataclass(frozen=True)
class Answer:
    """What the API says instead of a page."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    claimed_length: int | None = None
    resets: bool = False
    hangs: bool = False
    writes: Callable[[BufferedIOBase], object] | None = None
    """Writes all of the answer, header included, as long as it likes."""


Fault = Callable[["ScriptedApi", str, int, int], Answer | None]
"""Given the API, endpoint, page and the number of the call, an answer instead of the page."""


class ScriptedApi:
    """Serves `records` by endpoint; an element is a JSON value, or bytes to serve verbatim.

    Where `authorization` is set, only to requests that have this header.
    """

    def __init__(self) -> None:
        self.url = ""
        self.records: dict[str, list[Any]] = {"users": [], "tracks": [], "listen_history": []}
        self.totals: dict[str, int] = {}
        self.most_rows = 100
        self.states_size = True
        self.skips_by_asked_size = False
        self.authorization: str | None = None
        self.fault: Fault | None = None
        self.calls: Counter[tuple[str, int]] = Counter()
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def page(self, endpoint: str, number: int, size: int) -> bytes:
        """The page as the API's contract has it."""
        rows = self.records[endpoint]
        asked, size = size, min(size, self.most_rows)
        skipped = (number - 1) * (asked if self.skips_by_asked_size else size)
        shown = rows[skipped : skipped + size]
        items = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in shown]
        total = self.totals.get(endpoint, len(rows))
        stated = f'"size":{size},' if self.states_size else ""
        tail = f'"total":{total},"page":{number},{stated}"pages":{-(-total // size)}'
        return b'{"items":[' + b", ".join(items) + b"]," + tail.encode() + b"}"


def user(number: int, **fields: Any) -> dict[str, Any]:
    """A user that fits."""
    return {
        "id": number,
        "first_name": "Ada",
        "last_name": "Ng",
        "email": f"user{number}@example.org",
        "gender": "Female",
        "favorite_genres": "Jazz",
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    } | fields


def track(number: int, **fields: Any) -> dict[str, Any]:
    """A track that fits."""
    return {
        "id": number,
        "name": f"Song {number}",
        "artist": "Trio",
        "songwriters": "Someone",
        "duration": "03:21",
        "genres": "Jazz",
        "album": "First",
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    } | fields


def history(user_id: int | None, items: Any, **fields: Any) -> dict[str, Any]:
    """A listen history record that fits."""
    return {
        "user_id": user_id,
        "items": items,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    } | fields


@contextmanager
def serve(api: ScriptedApi) -> Iterator[ScriptedApi]:
    """Serves the API on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            endpoint = parts.path.strip("/")
            if endpoint not in api.records:
                self.answer(Answer(b'{"detail":"Not Found"}', 404))
                return
            if api.authorization not in {None, self.headers["Authorization"]}:
                self.answer(Answer(b'{"detail":"Not authenticated"}', 401))
                return
            number = int(query.get("page", ["1"])[0])
            with api.lock:
                api.calls[endpoint, number] += 1
                call = api.calls[endpoint, number]
                answer = api.fault(api, endpoint, number, call) if api.fault else None
                body = api.page(endpoint, number, int(query.get("size", ["100"])[0]))
            self.answer(answer or Answer(body))

        def answer(self, answer: Answer) -> None:
            if answer.writes:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    answer.writes(self.wfile)
                return
            if answer.hangs:
                api.closing.wait()
            if answer.hangs or answer.resets:
                # closed with data lost: the client gets a reset, not an end
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            length = len(answer.body) if answer.claimed_length is None else answer.claimed_length
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                # who asked may have read enough
                self.wfile.write(answer.body)
            if length != len(answer.body):
                self.close_connection = True

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

        def log_message(self, *_arguments: object) -> None:
            """Stays silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        api.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield api
        finally:
            api.closing.set()
            server.shutdown()
