"""The contract of the API: parameters with their bounds, bodies, examples.

In: nothing. Out: the types that the application is declared with, and its OpenAPI document is
made of. Names in bodies are those of the warehouse.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, LiteralString

from fastapi import Header, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

# no control characters, which no id has and PostgreSQL cannot all take
_ID = r"^[^\x00-\x1f\x7f]+$"
# the simulated source has them, so that examples work in a first house
_USER_EXAMPLE = "56774"
_TRACK_EXAMPLE = "65283"


_Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_ID)]

MAX_USERS = 50
"""Users that one request asks for, at most."""

MAX_EXCLUDED = 100
"""Tracks that one request leaves out, at most."""


def _strict(pattern: str, what: LiteralString) -> BeforeValidator:
    """Refuses other ways to write a value that Pydantic would understand: 5.0, 1_0, yes."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            raise PydanticCustomError("format", what)
        return value

    return BeforeValidator(check)


def _id(example: str) -> Any:
    return Path(
        min_length=1,
        max_length=200,
        pattern=_ID,
        description="The id at the source.",
        examples=[example],
    )


UserId = Annotated[str, _id(_USER_EXAMPLE)]
TrackId = Annotated[str, _id(_TRACK_EXAMPLE)]
IfNoneMatch = Annotated[
    str | SkipJsonSchema[None],
    Header(
        max_length=1000,
        description="ETags of earlier answers; when one is still right, the answer is 304.",
        examples=['"5d41402abc4b2a76b9719d91"'],
    ),
]


class TrackParameters(BaseModel):
    """Of which source, and how much; a parameter that is none of these is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, _strict(r"-?\d{1,9}", "Input should be a whole number")] = Field(
        20, ge=1, le=100, description="How many items at most.", examples=[20]
    )
    source: str = Field(
        "moovitamix",
        min_length=1,
        max_length=63,
        pattern="^[a-z0-9_]+$",
        description="The source that ids are of.",
        examples=["moovitamix"],
    )


class ListParameters(TrackParameters):
    """Of which day as well."""

    for_date: Annotated[
        date | SkipJsonSchema[None],
        _strict(r"\d{4}-\d{2}-\d{2}", "Input should be a date like 2026-03-01"),
    ] = Field(
        None,
        alias="date",
        description="The day that the lists were calculated for, instead of the latest.",
        examples=["2026-03-01"],
    )


class UserParameters(ListParameters):
    """And what a user gets who is not known."""

    fallback: Annotated[bool, _strict("true|false", "Input should be true or false")] = Field(
        False, description="Give an unknown user popular tracks, not 404.", examples=[False]
    )
    exclude: Annotated[list[_Id], Field(max_length=MAX_EXCLUDED)] = Field(
        [],
        description="Ids of tracks to leave out, as those that were just shown: the next of the "
        "list follow.",
        examples=[[]],
    )


class UsersParameters(UserParameters):
    """And of whom."""

    user_id: Annotated[list[_Id], Field(min_length=1, max_length=MAX_USERS)] = Field(
        description=f"The ids of up to {MAX_USERS} users at the source, each as a parameter of its "
        "own.",
        examples=[[_USER_EXAMPLE]],
    )


class NamedTrack(BaseModel):
    """A track, named as far as the warehouse knows it."""

    track_id: str
    track_name: str | None = Field(description="Null when only listens name the track.")
    artist_name: str | None


class Track(NamedTrack):
    """A track of a list."""

    rank: int = Field(description="From 1, the best; one that was deleted since leaves a gap.")


class RecommendedTrack(Track):
    """A track of a user's list."""

    score: float = Field(
        description="How strongly the track is recommended: higher is better. It has no unit. "
        "Compare scores of one `source` within one list, and nothing else. When `fallback` is not "
        "null, it is the number of users who listened to the track."
    )
    source: str = Field(
        description="Who recommends it. `model`: the champion. `fold_in`: the champion, for a user "
        "who first listened after its training. `genre_popularity`: popular in the user's "
        "favourite genres. `popularity`: popular with everybody. `exploration`: little known, of "
        "an album, artist or genre that the user plays; its score is 0."
    )
    album_title: str | None
    duration_seconds: int | None
    genre_names: str | None = Field(description="Separated by commas.")
    because: list[NamedTrack] | None = Field(
        description="The one or two tracks of the user's own that weigh most in the score, the "
        "weightiest first, as in “because you played …”. Null where the model cannot say, and for "
        "what no model recommends."
    )


class SimilarTrack(Track):
    """A track that the same users listen to."""

    score: float = Field(
        description="How much the listeners of both tracks overlap, from 0 to 1: the cosine of the "
        "logarithms of their plays."
    )


class PopularTrack(Track):
    """A track that many users listen to."""

    listener_count: int = Field(description="How many users listened to it.")


class ListedUser(BaseModel):
    """A user who has recommendations."""

    user_id: str


class ListedUsers(BaseModel):
    """Users who have recommendations, to try the API with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source_name": "moovitamix",
                    "for_date": "2026-03-01",
                    "items": [{"user_id": _USER_EXAMPLE}],
                }
            ]
        }
    )

    source_name: str
    for_date: date = Field(description="The day that the lists were calculated for.")
    items: list[ListedUser]


_LIST_EXAMPLE: dict[str, Any] = {
    "user_id": _USER_EXAMPLE,
    "source_name": "moovitamix",
    "for_date": "2026-03-01",
    "fallback": None,
    "model_version": "7",
    "data_cutoff": "2026-03-01T03:00:00Z",
    "generated_at": "2026-03-01T03:12:09Z",
    "items": [
        {
            "track_id": "70271",
            "track_name": "I investment",
            "artist_name": "Debra Davis",
            "album_title": "Rain",
            "duration_seconds": 214,
            "genre_names": "Folk, Rock",
            "rank": 1,
            "score": 3.8127,
            "source": "model",
            "because": [
                {"track_id": _TRACK_EXAMPLE, "track_name": "way", "artist_name": "Charles Ward"}
            ],
        }
    ],
}


class UserRecommendations(BaseModel):
    """What a user may want to hear."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LIST_EXAMPLE]})

    user_id: str
    source_name: str
    for_date: date = Field(description="The day that the list was calculated for.")
    fallback: str | None = Field(
        description="Null when the list is the user's own. Otherwise why these are the popular "
        "tracks, the same for everyone: `no_list` or `unknown_user`."
    )
    model_version: str | None = Field(
        description="Of the model that made the list; null when none did, as of popular tracks."
    )
    data_cutoff: datetime = Field(description="Until when listens were taken into account (UTC).")
    generated_at: datetime = Field(description="When the day's lists were made (UTC).")
    items: list[RecommendedTrack]


class UsersRecommendations(BaseModel):
    """What several users may want to hear, of one day's lists."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"users": [_LIST_EXAMPLE], "unknown_user_ids": ["4711"]}]}
    )

    users: list[UserRecommendations] = Field(description="In the order in which they were asked.")
    unknown_user_ids: list[str] = Field(
        description="Ids that no user has; with `fallback` they have popular tracks all the same."
    )


class SimilarTracks(BaseModel):
    """What is similar to a track, as the last training found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "track_id": _TRACK_EXAMPLE,
                    "track_name": "way",
                    "artist_name": "Charles Ward",
                    "source_name": "moovitamix",
                    "data_cutoff": "2026-02-23T03:00:00Z",
                    "items": [
                        {
                            "track_id": "32629",
                            "track_name": "close society",
                            "artist_name": "Spencer Wheeler",
                            "rank": 1,
                            "score": 0.3369,
                        }
                    ],
                }
            ]
        }
    )

    track_id: str
    track_name: str | None
    artist_name: str | None
    source_name: str
    data_cutoff: datetime | None = Field(
        description="Until when listens were taken into account (UTC); null without any track."
    )
    items: list[SimilarTrack]


class PopularTracks(BaseModel):
    """What most users listen to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source_name": "moovitamix",
                    "for_date": "2026-03-01",
                    "data_cutoff": "2026-03-01T03:00:00Z",
                    "generated_at": "2026-03-01T03:12:09Z",
                    "items": [
                        {
                            "track_id": _TRACK_EXAMPLE,
                            "track_name": "way",
                            "artist_name": "Charles Ward",
                            "rank": 1,
                            "listener_count": 157,
                        }
                    ],
                }
            ]
        }
    )

    source_name: str
    for_date: date
    data_cutoff: datetime = Field(description="Until when listens were taken into account (UTC).")
    generated_at: datetime = Field(description="When the day's lists were made (UTC).")
    items: list[PopularTrack]


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: str


class Ready(BaseModel):
    """The database answers and holds lists."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ready", "latest_date": "2026-03-01"}]}
    )

    status: str
    latest_date: date = Field(description="The latest day that lists were calculated for.")
