"""The outermost layer: every request is counted and answered, also where our code fails.

In: requests. Out: their answers, a line in the log for each fault, and counts.
"""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import FAULT, respond
from serving.request_metrics import RequestMetrics
from warehouse.run_log import get_logger

_logger = get_logger(__name__)


class Boundary:
    """ASGI middleware around all others."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on; HEAD is asked for wherever GET is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # a copy: the server looks at its own, and so sends no body after HEAD
        scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(scope, receive, watched)
        except Exception:
            _logger.exception("request failed", route=_route_of(scope))
            if status:
                raise
            # not by Starlette's handler, which raises again: the server would hang up
            await respond(FAULT, FAULT.example)(scope, receive, watched)
        finally:
            self._metrics.count(_route_of(scope), status or FAULT.status, perf_counter() - begin)


def _route_of(scope: Scope) -> str:
    """The route's template, without any id; `other` for what was refused or has none."""
    return getattr(scope.get("route"), "path_format", "other")
