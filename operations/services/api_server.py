"""Serves the API: puts the application together, and runs it in one process or several.

In: settings. Out: a server until SIGTERM or Ctrl-C, which lets requests end first.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from monitoring.health_page.page import make_page
from serving.app import create_app
from serving.request_deadline import DeadlineProtocol
from warehouse.database import connect
from warehouse.errors import ApiServerError, DatabaseError
from warehouse.run_log import log_to_terminal
from warehouse.settings import Settings, read_settings

_BACKLOG = 2048
_SHUTDOWN_SECONDS = 10
_FIRST_TRY_SECONDS = 3


def make_app() -> FastAPI:
    """Makes the application from the environment, in each process that serves it."""
    settings = read_settings()
    log_to_terminal(settings)
    if settings.serving_database_url is None:
        return create_app(settings, partial(make_page, settings))
    # the API's own login may not read what the page is made of: somebody else has to write it
    return create_app(_as_the_api(settings), partial(_read_page, settings.health_page_file))


def configure(app: FastAPI | str, **options: Any) -> uvicorn.Config:
    """How uvicorn serves the API.

    Args:
        app: The application, or where it is made.
        options: Further options of uvicorn.
    """
    return uvicorn.Config(
        app,
        http=DeadlineProtocol,
        # our own lines, which hold no ids of users
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        **options,
    )


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serves the API until it is told to end.

    Args:
        settings: Database, keys, limits.
        host: Address to listen on.
        port: TCP port.
        workers: How many processes.

    Raises:
        ApiServerError: It cannot listen there, or anybody could ask it.
    """
    with ExitStack() as resources:
        bound = resources.enter_context(_bind(host, port))
        if not settings.api_keys:
            _refuse_strangers(bound, host)
        _try_database(_as_the_api(settings))
        location = f"[{host}]" if ":" in host else host
        click.echo(f"Recommendations at http://{location}:{port}, see /docs; Ctrl-C stops.")
        config = configure(
            f"{make_app.__module__}:{make_app.__name__}", factory=True, workers=workers
        )
        if workers > 1:
            # where the processes count together; prometheus_client looks for it when imported
            folder = resources.enter_context(TemporaryDirectory(prefix="listenhouse-metrics-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            Multiprocess(config, sockets=[bound]).run()
        else:
            uvicorn.Server(config).run(sockets=[bound])


def _as_the_api(settings: Settings) -> Settings:
    """The settings with the API's own login, where it has one."""
    url = settings.serving_database_url or settings.external_database_url
    return settings.but(external_database_url=url)


def _read_page(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ApiServerError(
            f"The health page {file} cannot be read ({error.strerror}): write it with "
            "`listenhouse pages health`."
        ) from error


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # Python repeats the address in it
        cause = str(error.strerror).partition(" (while")[0]
        raise ApiServerError(
            f"The API cannot be served at {host}:{port} ({cause}): choose a free port with --port "
            "or LISTENHOUSE_SERVING_PORT, or an address of this machine with --host."
        ) from error


def _refuse_strangers(bound: socket.socket, host: str) -> None:
    """Raises where other machines reach the API and no key is asked for."""
    if not ip_address(bound.getsockname()[0]).is_loopback:
        raise ApiServerError(
            f"The API is not served at {host or bound.getsockname()[0]} without keys: other "
            "machines reach that address, and anybody there could read every user's list. Set "
            "LISTENHOUSE_API_KEYS_FILE, or leave --host out and let a proxy on this machine decide "
            "who is let in."
        )


def _try_database(settings: Settings) -> None:
    """Says at once what every request would be told; the database may come later."""
    try:
        connect(settings, "listenhouse serve", timeout_seconds=_FIRST_TRY_SECONDS).close()
    except DatabaseError as error:
        click.echo(f"{error} Until then the answers are 503.", err=True)
