"""The application: routes, and what is around them.

In: settings, and what makes the health page. Out: a FastAPI application that describes itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import blake2b
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import APIKeyHeader
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from serving import problems, queries
from serving.admission import KEY_HEADER, KeysAndRateLimit
from serving.cached_page import CachedPage
from serving.contract import (
    Alive,
    IfNoneMatch,
    ListedUsers,
    ListParameters,
    PopularTracks,
    Ready,
    SimilarTracks,
    TrackId,
    TrackParameters,
    UserId,
    UserParameters,
    UserRecommendations,
    UsersParameters,
    UsersRecommendations,
)
from serving.database import Database
from serving.error_boundary import Boundary
from serving.problems import Problem, ProblemError
from serving.request_metrics import RequestMetrics
from warehouse.settings import Settings

_DESCRIPTION = """Recommendations for every listener, read from the Listenhouse warehouse.

Ids to try it with come from `GET /v1/users` and `GET /v1/popular`. Those in the examples are of
the simulated source.

Every answer comes from one day's lists, which are replaced as a whole. Errors are problem details
(RFC 9457); programs tell them apart by `type`. Answers carry an `ETag`: send it back as
`If-None-Match`, and an unchanged answer is 304 without a body.
"""

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What `If-None-Match` names is still right."}
}

_DATABASE_PROBLEMS = (problems.UNAVAILABLE, problems.NOT_READY)


def create_app(settings: Settings, make_health_page: Callable[[], str]) -> FastAPI:
    """Makes the application.

    Args:
        settings: Database, keys, limits and origins.
        make_health_page: Makes the page at `/health`; runs in a thread.

    Returns:
        The application; it connects when it is started.
    """
    database = Database(settings)
    metrics = RequestMetrics()

    @asynccontextmanager
    async def connected(_app: FastAPI) -> AsyncIterator[None]:
        await database.open()
        yield
        await database.close()

    app = FastAPIOffline(
        title="Listenhouse",
        version=version("listenhouse"),
        description=_DESCRIPTION,
        lifespan=connected,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        # a slash too many is another path: a redirect would repeat a host that anybody can name
        redirect_slashes=False,
        responses=problems.describe(problems.FAULT),
        exception_handlers={
            ProblemError: problems.answer_problem,
            RequestValidationError: problems.answer_invalid,
            HTTPException: problems.answer_http,
        },
    )
    app.include_router(_lists(database, settings))
    app.include_router(_operations(database, metrics, CachedPage(make_health_page)))
    _complete_description(app)

    app.add_middleware(KeysAndRateLimit, keys=settings.api_keys, limit=settings.rate_limit)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET"],
            allow_headers=[KEY_HEADER, "If-None-Match"],
            expose_headers=["ETag", "Retry-After", "RateLimit", "RateLimit-Policy"],
        )
    app.add_middleware(Boundary, metrics=metrics)
    return app


def _lists(database: Database, settings: Settings) -> APIRouter:
    """What the API is for."""
    refusals = [problems.NO_KEY] if settings.api_keys else []
    refusals += [problems.TOO_MANY_REQUESTS] if settings.rate_limit else []
    # for the documentation: `KeysAndRateLimit` is who looks at the key
    key = Security(APIKeyHeader(name=KEY_HEADER, auto_error=False))
    router = APIRouter(
        prefix="/v1",
        tags=["lists"],
        dependencies=[key] if settings.api_keys else [],
        responses=_NOT_MODIFIED,
    )

    def possible(*kinds: problems.Kind) -> dict[int | str, dict[str, Any]]:
        return problems.describe(*kinds, problems.INVALID_PARAMETER, *refusals, *_DATABASE_PROBLEMS)

    @router.get(
        "/users",
        summary="Find users who have recommendations",
        response_model=ListedUsers,
        responses=possible(problems.UNKNOWN_SOURCE, problems.NO_LISTS),
    )
    async def get_users(
        wanted: Annotated[ListParameters, Query()], if_none_match: IfNoneMatch = None
    ) -> Response:
        """Lists ids to try the API with, in the order of their text.

        Ids of tracks are in the recommendations, and in the popular tracks.
        """
        return _answer(await queries.read_users(database, wanted), if_none_match)

    @router.get(
        # ids of other sources can hold a slash
        "/users/{user_id:path}/recommendations",
        summary="Recommend tracks to a user",
        response_model=UserRecommendations,
        responses=possible(problems.UNKNOWN_USER, problems.UNKNOWN_SOURCE, problems.NO_LISTS),
    )
    async def get_recommendations(
        user_id: UserId,
        wanted: Annotated[UserParameters, Query()],
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Returns the user's list of a day, the best track first; no track that they have heard.

        A known user without a list, such as one who arrived today, gets the popular tracks, and
        `fallback` says why. An unknown user gets 404, or the popular tracks with `fallback=true`.
        """
        body = await queries.read_recommendations(database, user_id, wanted)
        return _answer(body, if_none_match)

    @router.get(
        "/recommendations",
        summary="Recommend tracks to several users",
        response_model=UsersRecommendations,
        responses=possible(problems.UNKNOWN_SOURCE, problems.NO_LISTS),
    )
    async def get_recommendations_of_users(
        wanted: Annotated[UsersParameters, Query()], if_none_match: IfNoneMatch = None
    ) -> Response:
        """Returns the lists of up to 50 users, all of one batch, and names unknown users."""
        body = await queries.read_recommendations_of_users(database, wanted)
        return _answer(body, if_none_match)

    @router.get(
        "/tracks/{track_id:path}/similar",
        summary="Find tracks similar to a track",
        response_model=SimilarTracks,
        responses=possible(problems.UNKNOWN_TRACK),
    )
    async def get_similar_tracks(
        track_id: TrackId,
        wanted: Annotated[TrackParameters, Query()],
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Returns the tracks that the same users listen to, as of the last training.

        The list is empty before the first training.
        """
        return _answer(await queries.read_similar(database, track_id, wanted), if_none_match)

    @router.get(
        "/popular",
        summary="List the popular tracks of a day",
        response_model=PopularTracks,
        responses=possible(problems.UNKNOWN_SOURCE, problems.NO_LISTS),
    )
    async def get_popular_tracks(
        wanted: Annotated[ListParameters, Query()], if_none_match: IfNoneMatch = None
    ) -> Response:
        """Returns the tracks with the most listeners, the same for everybody."""
        return _answer(await queries.read_popular(database, wanted), if_none_match)

    return router


def _operations(database: Database, metrics: RequestMetrics, health_page: CachedPage) -> APIRouter:
    """What those who run the API look at; open to all who reach it."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Check that the process answers")
    async def get_liveness() -> Alive:
        """Checks nothing else: it stays 200 while the database is away."""
        return Alive(status="alive")

    @router.get(
        "/readyz",
        summary="Check that lists can be served",
        responses=problems.describe(*_DATABASE_PROBLEMS),
    )
    async def get_readiness() -> Ready:
        """Returns the latest day of the lists; 503 without a database or without lists."""
        return Ready(status="ready", latest_date=await queries.read_latest_date(database))

    @router.get(
        "/health",
        summary="Show the health page",
        response_class=HTMLResponse,
        responses={
            200: {"content": {"text/html": {"example": "<!doctype html>…"}}},
            **problems.describe(problems.NO_PAGE),
        },
    )
    async def get_health_page() -> Response:
        """Returns the health of the warehouse as a page for people, some seconds old at most."""
        return HTMLResponse(await health_page.read(), headers={"Cache-Control": "no-cache"})

    @router.get(
        "/metrics",
        summary="Export metrics of the API",
        response_class=Response,
        responses={
            200: {
                "content": {
                    "text/plain": {
                        "schema": {"type": "string"},
                        "example": "listenhouse_serving_requests_total"
                        '{route="/v1/popular",status="200"} 3.0',
                    }
                }
            }
        },
    )
    async def get_metrics() -> Response:
        """Returns requests and their durations in Prometheus' text format."""
        return Response(metrics.expose(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.get("/", include_in_schema=False)
    async def get_start() -> Response:
        return RedirectResponse("/docs")

    return router


def _answer(body: BaseModel, if_none_match: str | None) -> Response:
    """The body with its tag, or 304 when the client has it already."""
    content = body.model_dump_json().encode()
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    # kept by the client only, which asks each time whether it is still right
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {entry.strip().removeprefix("W/") for entry in (if_none_match or "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _complete_description(app: FastAPI) -> None:
    """Adds what FastAPI leaves out: the schema of problems, and null in examples."""
    describe_routes = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe_routes()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {"Problem": schema}
        for model in (UserRecommendations, UsersRecommendations):
            schemas[model.__name__]["examples"] = model.model_json_schema()["examples"]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
