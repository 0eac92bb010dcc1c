"""How long a client may take to send a request: a half-sent one holds a connection, not for ever.

In: connections of uvicorn. Out: the same, closed when a request is not whole in time.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle, Transport
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for headers and body together.

    uvicorn ends connections that lie idle between two requests, and waits for ever for the rest
    of a request that has begun, or for a first one.

    Attributes:
        request_seconds: From the connection, or the last answer, to the end of a request.
    """

    request_seconds = 10.0
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Begins to wait for the first request."""
        super().connection_made(cast("Transport", transport))
        self._await_request()

    def on_message_complete(self) -> None:
        """Stops waiting while the request is answered."""
        super().on_message_complete()
        # it can be answered before its body is there
        if self.cycle.response_complete:
            self._await_request()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        super().on_response_complete()
        # not where the next one is here already
        if self.cycle.response_complete:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the wait with the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._stop_waiting()
        # not closed, which waits until what was written is read
        self._deadline = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
