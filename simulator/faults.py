"""A day gone wrong, to see who notices: listens that the source lost, records that are none.

In: a world. Out: the same day with other records, to be served. Advance the world that it was
made from: the days after it have lost nothing.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from simulator.world import World


def lose_listens(world: World, share: float) -> World:
    """The day without a share of what was listened to on it.

    Args:
        world: A day that is not the first.
        share: From 0 to 1, of the histories that grew or began on the day: the former are
            served as they were the day before, the latter not at all.

    Returns:
        The day.

    Raises:
        ValueError: It is day 0, or the share is none.
    """
    if world.day == 0:
        raise ValueError("Nothing was listened to on day 0: lose listens of a later day.")
    if not 0 <= share <= 1:
        raise ValueError(f"The share of lost listens is {share}; it must be from 0 to 1.")
    before = World.at(world.day - 1, world.config)
    known = dict(
        zip(before.state.histories.serial.tolist(), before.records["listen_history"], strict=True)
    )
    rng = np.random.default_rng((world.config.seed, world.day))
    served: list[bytes] = []
    for serial, record in zip(
        world.state.histories.serial.tolist(), world.records["listen_history"], strict=True
    ):
        is_new = known.get(serial) != record
        if not (is_new and rng.random() < share):
            served.append(record)
        elif serial in known:
            served.append(known[serial])
    return replace(world, records={**world.records, "listen_history": served})


def spoil_tracks(world: World, count: int) -> World:
    """The day with tracks that were created at no time: records that cannot be landed.

    Args:
        world: The day.
        count: How many tracks; all of them where there are fewer.

    Returns:
        The day.
    """
    tracks = list(world.records["tracks"])
    for position in range(min(count, len(tracks))):
        record = msgspec.json.decode(tracks[position])
        tracks[position] = msgspec.json.encode({**record, "created_at": "soon"})
    return replace(world, records={**world.records, "tracks": tracks})
