"""The source's HTTP interface over a world.

In: a `World`. Out: a FastAPI application that answers, redirects, refuses and describes itself
as the source does.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from simulator.contract import (
    DEFAULT_SIZE,
    ListenHistoryOut,
    PageCustomized,
    PageNumber,
    PageSize,
    TracksOut,
    UsersOut,
    as_the_source_describes,
)
from simulator.encoding import Endpoint
from simulator.world import World


class SourceApi(FastAPI):
    """FastAPI, with an OpenAPI document that says what the source's says and no more."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = as_the_source_describes(super().openapi())
        return self.openapi_schema


def create_app(world: World) -> FastAPI:
    """Makes the application that serves a world.

    Args:
        world: The day to serve first. Replace `app.state.world` to serve another: each request
            is answered from the world that is there when it comes.

    Returns:
        The application, with the source's contract.
    """
    app = SourceApi(title="MooVitamix", description="A music recommendation system.", version="1.1")
    app.state.world = world

    @app.get("/")
    async def docs_redirect() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/tracks", tags=["HTTP methods"], response_model=PageCustomized[TracksOut])
    async def get_tracks(
        request: Request, page: PageNumber = 1, size: PageSize = DEFAULT_SIZE
    ) -> Response:
        return _answer(request, "tracks", page, size)

    @app.get("/users", tags=["HTTP methods"], response_model=PageCustomized[UsersOut])
    async def get_users(
        request: Request, page: PageNumber = 1, size: PageSize = DEFAULT_SIZE
    ) -> Response:
        return _answer(request, "users", page, size)

    @app.get(
        "/listen_history", tags=["HTTP methods"], response_model=PageCustomized[ListenHistoryOut]
    )
    async def get_listen_history(
        request: Request, page: PageNumber = 1, size: PageSize = DEFAULT_SIZE
    ) -> Response:
        return _answer(request, "listen_history", page, size)

    return app


def _answer(request: Request, endpoint: Endpoint, page: int, size: int) -> Response:
    world: World = request.app.state.world
    return Response(world.page(endpoint, page, size), media_type="application/json")
