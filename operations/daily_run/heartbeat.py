"""The dead man's switch: a monitor elsewhere is told of each run, and misses the one that is not.

In: `LISTENHOUSE_HEARTBEAT_URL`, and a signal. Out: a request to it, in the manner of
healthchecks.io: `/start` when a run starts, the address itself when it succeeded, `/fail` when it
failed. A monitor that cannot be reached is a warning, and never the end of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import requests
from tenacity import (
    RetryError,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from warehouse.errors import BusyError, Termination
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

_TRIES = 3
_TIMEOUT_SECONDS = 5


class Signal(StrEnum):
    """What a monitor is told."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"


def ping(settings: Settings, signal: Signal, run_id: UUID | None = None) -> bool:
    """Tells the monitor, where there is one.

    Args:
        settings: Its address.
        signal: What.
        run_id: The run, so that the monitor can tell the time between two signals.

    Returns:
        False when the monitor could not be told.
    """
    if settings.heartbeat_url is None:
        return True
    parts = urlsplit(settings.heartbeat_url)
    path = parts.path.rstrip("/") + ("" if signal is Signal.SUCCESS else f"/{signal}")
    query = "&".join(filter(None, [parts.query, f"rid={run_id}" if run_id else ""]))
    try:
        _post(urlunsplit(parts._replace(path=path, query=query)))
    except RetryError as error:
        # not its text: that has the address, and who knows it can feign a heartbeat
        cause = type(error.last_attempt.exception()).__name__
        _logger.warning("heartbeat not sent", signal=str(signal), cause=cause)
        return False
    return True


@contextmanager
def heartbeats(settings: Settings | None, run_id: UUID) -> Iterator[Callable[[], None]]:
    """Tells the monitor how the run in the block goes.

    A run beside another leaves it to that one, and one that Ctrl-C ended to the person who did.

    Args:
        settings: The monitor's address; None where nobody is to be told.
        run_id: The run.

    Yields:
        What to call when the run starts; one that never does is no success either.
    """
    told: list[Signal] = []

    def tell(signal: Signal) -> None:
        told.append(signal)
        if settings:
            ping(settings, signal, run_id)

    try:
        yield lambda: tell(Signal.START)
    except BusyError:
        raise
    except (Exception, Termination):
        tell(Signal.FAIL)
        raise
    if told:
        tell(Signal.SUCCESS)


@retry(
    stop=stop_after_attempt(_TRIES),
    wait=wait_exponential(multiplier=0.5, max=5),
    retry=retry_if_exception_type(requests.RequestException),
)
def _post(url: str) -> None:
    requests.post(url, timeout=_TIMEOUT_SECONDS).raise_for_status()
