"""The shapes of MooVitamix's records, declared once.

A field that the API leaves out, or serves as null, lands as null; only the key is required.
"""

from __future__ import annotations

from ingestion.endpoint import BigInt, NaiveTimestamp, Record


class User(Record):
    """A person who listens. Names and e-mail are personal data."""

    id: BigInt
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    gender: str | None = None
    favorite_genres: str | None = None
    created_at: NaiveTimestamp | None = None
    updated_at: NaiveTimestamp | None = None


class Track(Record):
    """A piece of music."""

    id: BigInt
    name: str | None = None
    artist: str | None = None
    songwriters: str | None = None
    duration: str | None = None
    genres: str | None = None
    album: str | None = None
    created_at: NaiveTimestamp | None = None
    updated_at: NaiveTimestamp | None = None


class ListenHistory(Record):
    """The tracks that a user listened to, oldest first; the contract allows a null user."""

    user_id: BigInt | None
    created_at: NaiveTimestamp
    items: list[BigInt] | None = None
    updated_at: NaiveTimestamp | None = None
