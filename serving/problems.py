"""Errors as clients see them: problem details (RFC 9457), every one of a kind that is documented.

In: what went wrong. Out: `application/problem+json`, and its description for OpenAPI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ParameterProblem(BaseModel):
    """What is wrong with a parameter."""

    parameter: str = Field(description="Its name.")
    detail: str = Field(description="What it must be.")


class Problem(BaseModel):
    """Why a request was not answered (RFC 9457)."""

    type: str = Field(description="What kind of problem this is; programs tell them apart by it.")
    title: str = Field(description="The kind, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened to this request, and what to do.")
    errors: list[ParameterProblem] | None = Field(
        default=None, description="Each parameter that is wrong."
    )


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Attributes:
        name: Its part of `type`; none when the status says it all.
        status: The HTTP status.
        title: For people.
        example: A `detail` of one, for the documentation.
    """

    name: str
    status: int
    title: str
    example: str

    @property
    def type(self) -> str:
        """What identifies the kind."""
        return f"urn:problem-type:listenhouse:{self.name}" if self.name else "about:blank"


UNKNOWN_USER = Kind("unknown-user", 404, "Unknown user", "No user '4711' in moovitamix.")
UNKNOWN_TRACK = Kind("unknown-track", 404, "Unknown track", "No track '4711' in moovitamix.")
UNKNOWN_SOURCE = Kind(
    "unknown-source", 404, "Unknown source", "Nothing was ever calculated for source 'vinyl'."
)
NO_LISTS = Kind(
    "no-lists", 404, "No lists for this date", "Nothing was calculated for moovitamix, 2026-03-01."
)
INVALID_PARAMETER = Kind(
    "invalid-parameter", 422, "Invalid parameter", "The parameter limit cannot be used."
)
NO_KEY = Kind("no-api-key", 401, "API key missing or wrong", "Send a valid key as X-API-Key.")
TOO_MANY_REQUESTS = Kind(
    "too-many-requests", 429, "Too many requests", "6000 requests a minute; ask again in 12 s."
)
FAULT = Kind("", 500, "Internal Server Error", "This is our fault; the log has the cause.")
UNAVAILABLE = Kind(
    "database-unavailable",
    503,
    "Database unavailable",
    "The database does not answer in time; ask again.",
)
NOT_READY = Kind(
    "not-ready", 503, "Nothing calculated yet", "There are no recommendations yet; come back later."
)
NO_PAGE = Kind(
    "no-page", 503, "Health page unavailable", "The health page cannot be made; the log says why."
)

_EXAMPLE_ERRORS = [
    ParameterProblem(parameter="limit", detail="Input should be less than or equal to 100")
]
_RETRY_SECONDS = "2"


class ProblemError(Exception):
    """A request cannot be answered.

    Attributes:
        kind: What kind of problem it is.
        detail: What happened, and what to do.
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def respond(
    kind: Kind,
    detail: str,
    *,
    errors: Sequence[ParameterProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Makes the response for a problem.

    Args:
        kind: What kind of problem it is.
        detail: What happened, and what to do.
        errors: Each parameter that is wrong.
        headers: Further headers.
    """
    # what is wrong now may be right in a moment: no cache keeps it
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        all_headers["Retry-After"] = _RETRY_SECONDS
    return Response(
        _body(kind, detail, errors).model_dump_json(exclude_none=True),
        status_code=kind.status,
        media_type=MEDIA_TYPE,
        headers=all_headers,
    )


async def answer_problem(_request: Request, error: Exception) -> Response:
    """Answers a `ProblemError`."""
    assert isinstance(error, ProblemError)  # noqa: S101 (what it is registered for)
    return respond(error.kind, error.detail)


async def answer_invalid(_request: Request, error: Exception) -> Response:
    """Answers parameters that do not fit."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (what it is registered for)
    # what was sent is not repeated: it can be long, and anything; one reason for each is enough
    reasons = {str(entry["loc"][1]): entry["msg"] for entry in reversed(error.errors())}
    errors = [
        ParameterProblem(parameter=name, detail=reason) for name, reason in sorted(reasons.items())
    ]
    names = ", ".join(sorted(reasons))
    return respond(INVALID_PARAMETER, f"Cannot be used as given: {names}.", errors=errors)


async def answer_http(_request: Request, error: Exception) -> Response:
    """Answers what the router refuses: paths and methods that do not exist."""
    assert isinstance(error, HTTPException)  # noqa: S101 (what it is registered for)
    status = HTTPStatus(error.status_code)
    kind = Kind("", status.value, status.phrase, "")
    detail = f"{status.description or status.phrase}. /docs lists what there is."
    return respond(kind, detail, headers=error.headers)


def describe(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Describes the problems of an operation, for OpenAPI.

    Args:
        kinds: What can go wrong.

    Returns:
        A response with examples for each status.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        errors = _EXAMPLE_ERRORS if kind is INVALID_PARAMETER else None
        example = _body(kind, kind.example, errors).model_dump(exclude_none=True)
        response = responses.setdefault(kind.status, {"description": kind.title})
        content = response.setdefault("content", {MEDIA_TYPE: {}})[MEDIA_TYPE]
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        content.setdefault("examples", {})[kind.name or "fault"] = {"value": example}
        if kind.title not in response["description"]:
            response["description"] += f"; {kind.title.lower()}"
    return responses


def _body(kind: Kind, detail: str, errors: Sequence[ParameterProblem] | None) -> Problem:
    return Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=list(errors) if errors else None,
    )
