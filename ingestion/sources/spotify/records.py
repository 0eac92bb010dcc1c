"""The shapes of what Spotify's exports tell of.

Source: "Understanding my data" on support.spotify.com. Fields that are not declared, such as the
device or whether it was shuffled, land together in one column.
"""

from __future__ import annotations

import re
from typing import Any

from ingestion.endpoint import BigInt, NaiveTimestamp, Record


class Stream(Record):
    """Something was played, by the extended history: a track, an episode, a video or a book.

    `ts` is when it stopped, in UTC. Where it was no track, all names here are null.
    """

    ts: NaiveTimestamp
    ms_played: BigInt
    spotify_track_uri: str | None = None
    master_metadata_track_name: str | None = None
    master_metadata_album_artist_name: str | None = None
    master_metadata_album_album_name: str | None = None


class AccountStream(Record):
    """Something was played, by the account data: a year of it, without ids.

    `end_time` is the minute in which it stopped, in UTC. Where it was no track, both names are
    null; before 2024 an episode has them as well, and nothing tells it from a track.
    """

    end_time: NaiveTimestamp
    ms_played: BigInt
    artist_name: str | None = None
    track_name: str | None = None


_NAMES_OF_ACCOUNT_DATA = {
    "endTime": "end_time",
    "msPlayed": "ms_played",
    "artistName": "artist_name",
    "trackName": "track_name",
}

_MINUTE = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}")


def as_account_stream(served: dict[str, Any]) -> dict[str, Any]:
    """An event of the account data under the names of `AccountStream`.

    Args:
        served: As it stands in the file.
    """
    record = {_NAMES_OF_ACCOUNT_DATA.get(name, name): value for name, value in served.items()}
    minute = record.get("end_time")
    if isinstance(minute, str) and _MINUTE.fullmatch(minute):
        # what is written without seconds is no timestamp to a decoder
        record["end_time"] = f"{minute}:00"
    return record
