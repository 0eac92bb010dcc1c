"""What happens from one day to the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from simulator import Endpoint, Rates, World, WorldConfig

ENDPOINTS: list[Endpoint] = ["users", "tracks", "listen_history"]
STEADY = WorldConfig(users=2000, tracks=1000, rates=Rates.steady(0.01))


@pytest.fixture(scope="module")
def days() -> list[World]:
    """Two weeks of a larger world, from a Thursday on."""
    worlds = [World.at(0, WorldConfig(users=4000, tracks=3000))]
    for _ in range(14):
        worlds.append(worlds[-1].advance())
    return worlds


def by_id(world: World, endpoint: Endpoint) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in world.rows(endpoint)}


def by_key(world: World) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["user_id"], row["created_at"]): row for row in world.rows("listen_history")}


def grown(before: World, after: World) -> int:
    old = by_key(before)
    return sum(
        len(row["items"]) > len(old[key]["items"])
        for key, row in by_key(after).items()
        if key in old
    )


@pytest.mark.parametrize(
    ("endpoint", "changed", "arrived", "removed"),
    [("users", 0.01, 0.002, 0.001), ("tracks", 0.005, 0.003, 0.001)],
)
def test_records_change_arrive_and_leave_at_the_rates_promised(
    days: list[World], endpoint: Endpoint, changed: float, arrived: float, removed: float
) -> None:
    shares = []
    for before, after in pairwise(days):
        old, new = by_id(before, endpoint), by_id(after, endpoint)
        kept = old.keys() & new.keys()
        shares.append(
            (
                sum(old[key] != new[key] for key in kept) / len(old),
                len(new.keys() - kept) / len(old),
                len(old.keys() - kept) / len(old),
            )
        )
    assert np.mean(shares, axis=0) == pytest.approx([changed, arrived, removed], rel=0.1)


def test_every_attribute_changes_at_times_but_ids_and_creation_never(days: list[World]) -> None:
    for endpoint in ("users", "tracks"):
        old, new = (by_id(world, endpoint) for world in (days[0], days[-1]))
        differing = {
            name
            for key in old.keys() & new.keys()
            for name, value in old[key].items()
            if new[key][name] != value
        }
        expected = set(next(iter(old.values()))) - {"id", "created_at"}
        assert differing == expected - {"artist", "songwriters"}


def test_tracks_are_renamed(days: list[World]) -> None:
    old, new = by_id(days[0], "tracks"), by_id(days[1], "tracks")
    assert any(new[key]["name"] != old[key]["name"] for key in old.keys() & new.keys())


def test_updated_at_stays_no_reliable_cursor(days: list[World]) -> None:
    old, new = by_id(days[0], "users"), by_id(days[-1], "users")
    changed = [new[key] for key in old.keys() & new.keys() if new[key] != old[key]]
    unseen = sum(row["updated_at"] < days[0].clock.isoformat() for row in changed) / len(changed)
    assert 0.15 < unseen < 0.35


def test_removed_ids_never_return(days: list[World]) -> None:
    gone: set[int] = set()
    for before, after in pairwise(days):
        gone |= by_id(before, "users").keys() - by_id(after, "users").keys()
        assert not gone & by_id(after, "users").keys()
    assert gone


def test_new_records_stand_at_the_end_and_old_ones_keep_their_order(days: list[World]) -> None:
    for endpoint in ("users", "tracks"):
        before, after = ([row["id"] for row in w.rows(endpoint)] for w in days[:2])
        kept = [key for key in before if key in set(after)]
        assert after[: len(kept)] == kept
        assert len(after) > len(kept)


def test_histories_only_grow_at_their_end_by_one_to_five_listens(days: list[World]) -> None:
    growths = []
    for before, after in pairwise(days):
        old, new = by_key(before), by_key(after)
        for key in old.keys() & new.keys():
            was, now = old[key]["items"], new[key]["items"]
            assert now[: len(was)] == was
            assert (len(now) > len(was)) == (new[key]["updated_at"] > old[key]["updated_at"])
            assert (now == was) == (new[key] == old[key])
            growths.append(len(now) - len(was))
    assert set(growths) == {0, 1, 2, 3, 4, 5}
    assert 0.12 < np.mean(np.array(growths) > 0) < 0.2


def test_active_listeners_stay_active(days: list[World]) -> None:
    old, new = by_key(days[0]), by_key(days[-1])
    lengths = np.array(
        [(len(old[k]["items"]), len(new[k]["items"])) for k in old if k in new], dtype=float
    )
    assert np.corrcoef(lengths[:, 0], lengths[:, 1] - lengths[:, 0])[0, 1] > 0.3


def test_weekends_have_a_quarter_more(days: list[World]) -> None:
    lived = [grown(before, after) for before, after in pairwise(days)]
    # the days are seen at midnight: what Saturday brings is in the world of Sunday
    dates = [date.fromordinal(world.config.start_date.toordinal() + world.day) for world in days]
    is_weekend = np.array([day.weekday() >= 5 for day in dates[:-1]])
    counts = np.array(lived)
    ratio = counts[is_weekend].mean() / counts[~is_weekend].mean()
    assert 1.15 < ratio < 1.35
    assert len(set(counts[~is_weekend])) > 1  # days differ a little


def test_new_histories_appear_for_new_and_for_old_users(days: list[World]) -> None:
    old = {row["user_id"] for row in days[0].rows("listen_history")}
    new = by_key(days[1]).keys() - by_key(days[0]).keys()
    assert any(user in old for user, _ in new)
    assert any(user not in old for user, _ in new)


def test_every_new_user_has_a_first_history(days: list[World]) -> None:
    arrived = by_id(days[7], "users").keys() - by_id(days[0], "users").keys()
    listeners = {row["user_id"] for row in days[7].rows("listen_history")}
    assert arrived
    assert arrived <= listeners


def test_late_arrivals_arrive_the_next_day(days: list[World]) -> None:
    ever: dict[str, set[int]] = {"users": set(), "tracks": set()}
    for today, tomorrow in pairwise(days):
        rows = today.rows("listen_history")
        named = {
            "users": {row["user_id"] for row in rows},
            "tracks": {item for row in rows for item in row["items"]},
        }
        for endpoint in ("users", "tracks"):
            ever[endpoint] |= by_id(today, endpoint).keys()
            late = named[endpoint] - ever[endpoint]
            assert late, f"no late {endpoint} on day {today.day}"
            assert len(late) < 20
            assert late <= by_id(tomorrow, endpoint).keys()


def test_some_histories_of_removed_users_stay_and_grow_no_more(days: list[World]) -> None:
    gone = by_id(days[0], "users").keys() - by_id(days[7], "users").keys()
    then, later = by_key(days[7]), by_key(days[14])
    orphans = [key for key in then if key[0] in gone]
    assert 0 < len(orphans) < len(gone)
    assert all(then[key] == later[key] for key in orphans)


def test_a_steady_day_changes_exactly_its_share() -> None:
    before = World.at(3, STEADY)
    after = before.advance()
    for endpoint, changed in (("users", 20), ("tracks", 10), ("listen_history", 20)):
        pairs = zip(before.records[endpoint], after.records[endpoint], strict=True)  # type: ignore[index]
        assert sum(old != new for old, new in pairs) == changed


def test_a_day_without_change_serves_the_same_bytes() -> None:
    world = World.at(0, replace(STEADY, rates=Rates.steady(0)))
    assert world.advance().records == world.records


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"user_changes is 1\.5"):
        Rates(user_changes=1.5)
