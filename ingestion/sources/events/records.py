"""The shape of a listening event. Fields that are not declared land together, in `details`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from ingestion.endpoint import BigInt, Record


class ListenEvent(Record):
    """A user played a track.

    `event_id` is unique for ever: an event that is sent again has the id that it had. `played_at`
    is when playing began; without a zone it is UTC. `seconds_played` is how long. `context` is
    where the track was played from, such as `playlist:12` or `search`.
    """

    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    user_id: BigInt
    track_id: BigInt
    played_at: datetime
    seconds_played: Annotated[float, msgspec.Meta(ge=0)]
    context: str | None = None
