"""The shapes of the source API, as its OpenAPI document names them.

In: nothing. Out: the record models, the page envelope and the two query parameters, from
which FastAPI writes the OpenAPI document and validates requests, and from which the encoder
takes the order of the fields. Answers are not built from these models: pages are made of
records that are encoded already.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

Record = TypeVar("Record")

PageNumber = Annotated[int, Query(ge=1, description="Page number")]
PageSize = Annotated[int, Query(ge=1, le=100)]

DEFAULT_SIZE = 100


class UsersOut(BaseModel):
    """One user."""

    id: int
    first_name: str
    last_name: str
    email: str
    gender: str
    favorite_genres: str
    created_at: datetime
    updated_at: datetime


class TracksOut(BaseModel):
    """One track."""

    id: int
    name: str
    artist: str
    songwriters: str
    duration: str
    genres: str
    album: str
    created_at: datetime
    updated_at: datetime


class ListenHistoryOut(BaseModel):
    """One history record: what a user listened to, without ids or times of the listens."""

    user_id: int | None
    items: list[int] | None
    created_at: datetime
    updated_at: datetime


class PageCustomized(BaseModel, Generic[Record]):
    """The envelope around a page of records."""

    items: list[Record]
    total: Annotated[int, Field(ge=0)] | None
    page: Annotated[int, Field(ge=1)] | None
    size: Annotated[int, Field(ge=1)] | None
    pages: Annotated[int, Field(ge=0)] | None = None


def as_the_source_describes(document: dict[str, Any]) -> dict[str, Any]:
    """Removes what the OpenAPI document of the source does not have.

    The source describes none of its schemas, while FastAPI publishes the docstrings of ours;
    and newer FastAPI versions describe `input` and `ctx` of a validation error, which the
    source's version sends but does not describe.

    Args:
        document: An OpenAPI document, changed in place.

    Returns:
        The same document.
    """
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        schema.pop("description", None)
    for name in ("input", "ctx"):
        schemas["ValidationError"]["properties"].pop(name, None)
    return document
