"""How fast the simulator starts and serves, so that it is never what a benchmark measures.

In: nothing but the installed project. Out: two figures on standard output, for 100,000 users,
50,000 tracks and 1,000,000 listens: seconds from the start of the process to the first answer,
and pages of 100 records per second (per second of one core, too) from one server process, read
by a client in another process over kept connections.

Run: `python -m benchmarks.simulator`
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

USERS, TRACKS, LISTENS = 100_000, 50_000, 1_000_000
CONNECTIONS = 4
SECONDS = 5.0
PAGES = {"users": USERS // 100, "tracks": TRACKS // 100, "listen_history": USERS // 100}
READ = 1 << 18


def main() -> None:
    """Measures and prints both figures."""
    with _simulator() as (server, port, start_seconds):
        print(f"start: {start_seconds:.1f} s to the first answer (target: under 20 s)")
        process = psutil.Process(server.pid)
        for endpoint, pages in PAGES.items():
            cpu = sum(process.cpu_times()[:2])
            began = time.perf_counter()
            answers, received = _read_pages(port, endpoint, pages)
            wall = time.perf_counter() - began
            core = sum(process.cpu_times()[:2]) - cpu
            print(
                f"{endpoint}: {answers / wall:,.0f} pages/s, "
                f"{answers / core:,.0f} per second of one core, "
                f"{received / wall / 1e6:,.0f} MB/s (target: 1,000 pages/s)"
            )
        print(f"memory: {process.memory_info().rss / 1e6:,.0f} MB")


@contextmanager
def _simulator() -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sizes = ["--users", str(USERS), "--tracks", str(TRACKS), "--listens", str(LISTENS)]
    began = time.perf_counter()
    command = [sys.executable, "-m", "simulator", "--port", str(port), *sizes]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            while not _answers(port):
                if server.poll() is not None:
                    raise SystemExit("The simulator did not start.")
                time.sleep(0.02)
            yield server, port, time.perf_counter() - began
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(_request("users", 1))
            return connection.recv(READ).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _request(endpoint: str, page: int) -> bytes:
    return f"GET /{endpoint}?page={page}&size=100 HTTP/1.1\r\nHost: simulator\r\n\r\n".encode()


def _read_pages(port: int, endpoint: str, pages: int) -> tuple[int, int]:
    """Reads pages over several connections for a while; gives answers and bytes."""
    answers = received = 0
    deadline = time.perf_counter() + SECONDS
    connections: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector, ExitStack() as closing:
        for page in range(1, CONNECTIONS + 1):
            connection = closing.enter_context(socket.create_connection(("127.0.0.1", port)))
            connections[connection.fileno()] = connection
            connection.sendall(_request(endpoint, page))
            selector.register(connection, selectors.EVENT_READ, bytearray())
        page = CONNECTIONS
        while time.perf_counter() < deadline:
            for key, _ in selector.select():
                answer = key.data
                connection = connections[key.fd]
                answer += connection.recv(READ)
                if not _is_complete(answer):
                    continue
                answers += 1
                received += len(answer)
                answer.clear()
                page = page % pages + 1
                connection.sendall(_request(endpoint, page))
    return answers, received


def _is_complete(answer: bytearray) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"The simulator answered {bytes(answer[:head]).decode()}")
    length = answer[:head].lower().split(b"content-length: ")[1].split(b"\r\n")[0]
    return len(answer) >= head + 4 + int(length)


if __name__ == "__main__":
    main()
