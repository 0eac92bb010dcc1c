"""Who listens to what.

In: the tastes of listeners and the tracks there are. Out: track ids, one per listen.

A listen follows one of the listener's scenes or, at times, the crowd; within the scene or the
crowd a track is drawn by its popularity. That is a latent factor model, P(track | user) =
sum over scenes of P(scene | user) * P(track | scene), with popularity as its bias: what a
recommender should find again, and cannot when tastes are switched off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.genres import SCENES
from simulator.ids import Integers
from simulator.tables import Factors, Floats, Tracks

CROWD = len(SCENES)
"""The factor that all tracks belong to."""

TASTE_WEIGHTS = (0.45, 0.15, 0.20)
"""How often a listen follows each of the three scenes of a taste; the rest is the crowd's."""

CROSSOVER_WEIGHT = 0.3
ON_REPEAT = 0.05


@dataclass(frozen=True)
class Shelves:
    """Tracks by factor, ready to draw from.

    Attributes:
        ids: Track ids, sorted by factor.
        weights: Running sum of their weights.
        starts: Running sum before the first track of each factor, and after the last.
        firsts: Position of the first track of each factor, and behind the last.
    """

    ids: Integers
    weights: Floats
    starts: Floats
    firsts: Integers


def shelve(tracks: Tracks) -> Shelves:
    """Sorts tracks by the factors they belong to."""
    crossing = np.flatnonzero(tracks.scenes[:, 1] >= 0)
    everyone = np.full(len(tracks), CROWD)
    factors = np.concatenate([tracks.scenes[:, 0], tracks.scenes[crossing, 1], everyone])
    order = np.argsort(factors, kind="stable")
    crossover_weights = CROSSOVER_WEIGHT * tracks.popularity[crossing]
    weights = np.concatenate([tracks.popularity, crossover_weights, tracks.popularity])
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    firsts = np.searchsorted(factors[order], np.arange(CROWD + 2))
    return Shelves(
        ids=np.concatenate([tracks.id, tracks.id[crossing], tracks.id])[order],
        weights=sums[1:],
        starts=sums[firsts],
        firsts=firsts,
    )


def draw_listens(
    rng: np.random.Generator, shelves: Shelves, tastes: Factors | None, counts: Integers
) -> Integers:
    """Draws what listeners listen to.

    Args:
        rng: Source of chance.
        shelves: The tracks to draw from; at least one when anything is to be drawn.
        tastes: Three scenes per listener; None when all just follow the crowd.
        counts: Listens per listener.

    Returns:
        Track ids, listener after listener, `counts` for each.
    """
    total = int(counts.sum())
    factor = np.full(total, CROWD)
    if tastes is not None:
        listener = np.repeat(np.arange(len(counts)), counts)
        slot = np.searchsorted(np.cumsum(TASTE_WEIGHTS), rng.random(total), side="right")
        tasteful = slot < len(TASTE_WEIGHTS)
        factor[tasteful] = tastes[listener[tasteful], slot[tasteful]]
        is_empty = shelves.firsts[factor] == shelves.firsts[factor + 1]
        factor[is_empty] = CROWD
    low, high = shelves.starts[factor], shelves.starts[factor + 1]
    aim = low + rng.random(total) * (high - low)
    found = np.searchsorted(shelves.weights, aim, side="right")
    # rounding can aim just beside the shelf
    found = np.clip(found, shelves.firsts[factor], shelves.firsts[factor + 1] - 1)
    listens: Integers = shelves.ids[found]
    again = rng.random(total) < ON_REPEAT
    again[np.cumsum(counts[counts > 0])[:-1]] = False
    again[:1] = False
    repeated = np.flatnonzero(again)
    listens[repeated] = listens[repeated - 1]
    return listens


def as_items(listens: Integers, counts: Integers) -> list[str]:
    """Writes each listener's listens as JSON text without brackets."""
    written = [str(listen) for listen in listens.tolist()]
    ends: list[Any] = np.cumsum(counts).tolist()
    return [
        ",".join(written[end - count : end])
        for end, count in zip(ends, counts.tolist(), strict=True)
    ]
