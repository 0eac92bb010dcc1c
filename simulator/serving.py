"""Serving a world over HTTP: in the foreground, or in a thread for the length of a test.

In: an application. Out: a listening port. Sockets are bound here rather than by uvicorn, which
reports a taken port by a log line and an exit in the middle of its start.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from simulator.app import create_app
from simulator.world import World

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BACKLOG = 2048


class PortTakenError(OSError):
    """The address to serve on cannot be had."""


def bind(host: str, port: int) -> socket.socket:
    """Binds an address without listening yet, so that clients are refused until it is served.

    Args:
        host: Name or address of an interface.
        port: TCP port; 0 for any that is free.

    Returns:
        The bound socket.

    Raises:
        PortTakenError: Another process has the port, or the host is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortTakenError(f"cannot serve on {host}: {error.strerror or error}") from error
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise PortTakenError(_taken(host, port, error)) from error
    return bound


def serve(app: FastAPI, bound: socket.socket) -> None:
    """Serves an application on a bound socket until interrupted.

    Raises:
        PortTakenError: Another process began to listen on the port in the meantime.
    """
    host, port = bound.getsockname()[:2]
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        raise PortTakenError(_taken(host, port, error)) from error
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn stops first, then passes it on
        uvicorn.Server(_config(app)).run(sockets=[bound])


@contextlib.contextmanager
def running(app: World | ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves in a background thread of this process.

    Args:
        app: An application from `create_app`, a world, or any ASGI application.
        host: Interface to serve on.
        port: TCP port; 0 for any that is free.

    Yields:
        The base URL, without a slash at the end.

    Raises:
        PortTakenError: The port is taken.
    """
    bound = bind(host, port)
    server = uvicorn.Server(_config(create_app(app) if isinstance(app, World) else app))
    # listening already, the socket holds early clients until the thread takes them
    bound.listen(BACKLOG)
    thread = threading.Thread(target=server.run, args=([bound],), name="simulator", daemon=True)
    thread.start()
    try:
        yield base_url(bound)
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def base_url(bound: socket.socket) -> str:
    """The URL of a bound socket, without a slash at the end."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        # a client that is not done must not keep the server, or a test, from ending
        timeout_graceful_shutdown=1,
    )


def _taken(host: str, port: int, error: OSError) -> str:
    return (
        f"cannot serve on {host}:{port}: {(error.strerror or str(error)).lower()}; "
        "stop what uses the port or choose another with --port"
    )
