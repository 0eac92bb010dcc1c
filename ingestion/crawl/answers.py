"""One answer over HTTP, whole: within a time, and no longer than a limit.

In: a request. Out: a response whose body has been read. The time-out of requests is that of each
read from the socket, so that a server which sends a byte now and then is waited for without end;
here every read ends with the time that the whole answer has, its header and redirects included.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from socket import socket
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout, RequestException
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_READ_BYTES = 65_536

_HTTP_REDIRECTS = 300

_MAX_UNUSED_BYTES = 65_536
"""Of the body of a redirect or an error nobody reads more."""


@dataclass(frozen=True)
class _Bounds:
    """What an answer is held to.

    Attributes:
        deadline: When it has to be there, by the monotonic clock.
        max_bytes: How long its body may be.
    """

    deadline: float
    max_bytes: int


_bounds: ContextVar[_Bounds] = ContextVar("bounds of an answer")


class AnswerTooLongError(RequestException):
    """The body is longer than the limit, after it was decompressed."""


@contextmanager
def answers_bounded(seconds: float, max_bytes: int) -> Iterator[None]:
    """Holds what this thread asks of a `BoundedAdapter` meanwhile to a time and a length.

    Args:
        seconds: From now until the end of the answer, redirects included.
        max_bytes: Length of a body, after it was decompressed.
    """
    token = _bounds.set(_Bounds(time.monotonic() + seconds, max_bytes))
    try:
        yield
    finally:
        _bounds.reset(token)


def _seconds_left() -> float:
    seconds = _bounds.get().deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


class BoundedAdapter(HTTPAdapter):
    """Sends requests within `answers_bounded`, and reads their answers at once.

    A look-up of the host's name has the time-out of the system's resolver.
    """

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Has connections made whose reads are timed."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _TIMED_POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> PoolManager:
        """Has such connections made to a proxy as well."""
        manager: PoolManager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = _TIMED_POOLS
        return manager

    def send(self, request: PreparedRequest, *_arguments: Any, **options: Any) -> Response:
        """Sends a request and reads the answer.

        Raises:
            RequestException: There is none, it is cut, too long, or does not end in time.
        """
        try:
            options |= {"stream": True, "timeout": _seconds_left()}
            response = super().send(request, **options)
            body = self._read(response)
        except TimeoutError as error:
            raise ReadTimeout(error, request=request) from error
        # as requests does it where it reads the body itself
        response._content = body
        return response

    def _read(self, response: Response) -> bytes:
        is_used = response.status_code < _HTTP_REDIRECTS
        max_bytes = _bounds.get().max_bytes if is_used else _MAX_UNUSED_BYTES
        body = io.BytesIO()
        try:
            for part in response.iter_content(_READ_BYTES):
                _seconds_left()
                body.write(part)
                if body.tell() > max_bytes:
                    if is_used:
                        raise AnswerTooLongError(response=response)
                    break
        finally:
            # what is not read to its end is no connection to use again
            response.close()
        return body.getvalue()


class _TimedReader(io.RawIOBase):
    """Reads from a socket, as long as there is time."""

    def __init__(self, connected: socket, reader: io.RawIOBase) -> None:
        self._socket = connected
        self._reader = reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_seconds_left())
        return self._reader.readinto(buffer)

    def fileno(self) -> int:
        return self._reader.fileno()

    def close(self) -> None:
        self._reader.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach()))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedTlsConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TimedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTlsConnection


_TIMED_POOLS = {"http": _TimedPool, "https": _TimedTlsPool}
