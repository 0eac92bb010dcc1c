"""The shape of an event of Spotify's extended streaming history.

Source: "Understanding my data" on support.spotify.com. Fields that are not declared, such as the
device or whether it was shuffled, land together in one column.
"""

from __future__ import annotations

from ingestion.endpoint import BigInt, NaiveTimestamp, Record


class Stream(Record):
    """Something was played: a track, an episode, a video or a chapter of a book.

    `ts` is when it stopped, in UTC. Where it was no track, all names here are null.
    """

    ts: NaiveTimestamp
    ms_played: BigInt
    spotify_track_uri: str | None = None
    master_metadata_track_name: str | None = None
    master_metadata_album_artist_name: str | None = None
    master_metadata_album_album_name: str | None = None
