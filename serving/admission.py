"""Who is let in: API keys, where there are any, and how often each client may ask.

In: requests below `/v1/`. Out: the same, or 401 and 429. Counts are kept in memory, by process.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from math import ceil
from time import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import NO_KEY, TOO_MANY_REQUESTS, respond

KEY_HEADER = "X-API-Key"
GUARDED = "/v1/"


class KeysAndRateLimit:
    """ASGI middleware that lets clients in."""

    def __init__(self, app: ASGIApp, keys: Sequence[str], limit: int) -> None:
        self._app = app
        # as digests: comparing takes the same time whatever a key has in common with another
        self._keys = [sha256(key.encode()).digest() for key in keys]
        self._limit = RateLimitItemPerMinute(limit) if limit else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        key = self._known_key(Headers(scope=scope).get(KEY_HEADER, ""))
        # who comes with a key counts by it; others, guessers of keys among them, by address
        client = key.hex() if key else str((scope.get("client") or ("",))[0])
        answer = send
        if self._limit:
            is_within = self._limiter.hit(self._limit, client)
            window = self._limiter.get_window_stats(self._limit, client)
            wait = max(1, ceil(window.reset_time - time()))
            # the fields of draft-ietf-httpapi-ratelimit-headers
            headers = {
                "RateLimit-Policy": f'"client";q={self._limit.amount};w=60',
                "RateLimit": f'"client";r={window.remaining};t={wait}',
            }
            if not is_within:
                refusal = respond(
                    TOO_MANY_REQUESTS,
                    f"{self._limit.amount} requests a minute; ask again in {wait} s.",
                    headers={**headers, "Retry-After": str(wait)},
                )
                await refusal(scope, receive, send)
                return

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(headers)
                await send(message)

        if self._keys and key is None:
            refusal = respond(NO_KEY, NO_KEY.example, headers={"WWW-Authenticate": "ApiKey"})
            await refusal(scope, receive, answer)
            return
        await self._app(scope, receive, answer)

    def _known_key(self, given: str) -> bytes | None:
        """The digest of a key that is one of ours."""
        digest = sha256(given.encode()).digest()
        # each is compared, also after a match
        matches = [known for known in self._keys if hmac.compare_digest(known, digest)]
        return matches[0] if matches else None
