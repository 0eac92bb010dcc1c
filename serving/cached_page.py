"""A page that takes a second to make, for many who ask.

In: what makes the page. Out: the page, some seconds old at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from serving.problems import NO_PAGE, ProblemError
from warehouse.errors import ListenhouseError
from warehouse.run_log import get_logger

_FRESH_SECONDS = 10.0
_WAIT_SECONDS = 15.0

_logger = get_logger(__name__)


class CachedPage:
    """A page, made in a thread when somebody asks, once for all who ask in these seconds."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._made: asyncio.Task[str | None] | None = None
        self._fresh_until = 0.0

    async def read(self) -> str:
        """The page.

        Raises:
            ProblemError: It cannot be made, or not in time.
        """
        if self._made is None or (self._made.done() and monotonic() > self._fresh_until):
            self._made = asyncio.create_task(self._make_once())
        try:
            page = await asyncio.wait_for(asyncio.shield(self._made), _WAIT_SECONDS)
        except TimeoutError:
            page = None
        if page is None:
            raise ProblemError(NO_PAGE, NO_PAGE.example)
        return page

    async def _make_once(self) -> str | None:
        try:
            return await asyncio.to_thread(self._make)
        except ListenhouseError as error:
            _logger.warning("health page not made", cause=str(error))
            return None
        finally:
            self._fresh_until = monotonic() + _FRESH_SECONDS
