"""Days gone wrong."""

from __future__ import annotations

from datetime import datetime

import pytest

from simulator import World, lose_listens, spoil_tracks


def count_listens(world: World) -> int:
    return sum(len(row["items"]) for row in world.rows("listen_history"))


def test_a_day_loses_a_share_of_its_own_listens_only(world: World, next_world: World) -> None:
    usual = count_listens(next_world) - count_listens(world)
    left = count_listens(lose_listens(next_world, 0.6)) - count_listens(world)
    assert 0.25 * usual < left < 0.55 * usual
    assert count_listens(lose_listens(next_world, 0)) == count_listens(next_world)
    assert lose_listens(next_world, 1).records["listen_history"] == [
        record
        for record, serial in zip(
            world.records["listen_history"], world.state.histories.serial.tolist(), strict=True
        )
        if serial in next_world.state.histories.serial
    ]
    with pytest.raises(ValueError, match="day 0"):
        lose_listens(world, 0.5)
    with pytest.raises(ValueError, match="from 0 to 1"):
        lose_listens(next_world, 1.5)


def test_bad_tracks_have_a_date_that_is_none(world: World) -> None:
    rows = spoil_tracks(world, 3).rows("tracks")
    assert [row["created_at"] for row in rows[:3]] == ["soon"] * 3
    assert datetime.fromisoformat(rows[3]["created_at"])
    assert len(spoil_tracks(world, 10**6).rows("tracks")) == len(rows)
