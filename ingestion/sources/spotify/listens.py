"""Which events are listens of a track, so that an import can say how many are none, and why.

In: an event. Out: why it is no listen. The marts decide by the same rule, in
`int_spotify_streams_identified`.
"""

from __future__ import annotations

import re

from ingestion.sources.spotify.records import AccountStream, Stream

MIN_PLAYED_MS = 30_000
"""What Spotify counts."""

NO_TRACK = "no track"
TOO_SHORT = "too short"

IS_EPISODE = re.compile(
    '"(episode_name|episode_show_name|spotify_episode_uri|audiobook_[a-z_]+)":"'
)
"""Fields that only an episode or a book fills; of a record as it lands."""


def why_no_listen(event: Stream | AccountStream, details: str | None) -> str | None:
    """Why an event is no listen; None where it is one.

    Args:
        event: Of the extended history, or of the account data.
        details: Its other fields, as they land.

    Returns:
        `NO_TRACK` for an episode, a chapter, or what has no name; `TOO_SHORT` for a track.
    """
    if isinstance(event, Stream):
        artist = event.master_metadata_album_artist_name
        track = event.master_metadata_track_name
        has_id = event.spotify_track_uri is not None
    else:
        artist, track, has_id = event.artist_name, event.track_name, False
    has_names = bool((artist or "").strip() and (track or "").strip())
    if not has_id and (not has_names or IS_EPISODE.search(details or "")):
        return NO_TRACK
    return TOO_SHORT if event.ms_played < MIN_PLAYED_MS else None
