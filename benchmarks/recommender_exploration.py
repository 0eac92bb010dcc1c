"""What exploration finds, and what it costs: found listens by how known the track is, and ndcg.

In: simulated worlds, and the latest fifth of their listens held out. Out: a table, with and without
exploration. Run it as `python -m benchmarks.recommender_exploration`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from benchmarks.recommender_worlds import simulate
from recommender.exploration import learn_explorer
from recommender.fallback import learn_fallback, recommend_lists
from recommender.metrics import LIST_LENGTH
from recommender.models import Tracks
from recommender.panel import PANEL
from recommender.split import split_listens
from simulator.config import WorldConfig

SEEDS, DAYS, SLOTS = (1, 2, 3), 7, (0, 1, 2, 3, 5)
MODEL = "ridge-30"
LISTENERS = ((0, 0), (1, 2), (3, 9))


def _ndcg(hits: NDArray[np.bool_], targets: csr_array) -> float:
    gains = 1 / np.log2(np.arange(2, LIST_LENGTH + 2))
    ideal = np.cumsum(gains)[np.minimum(np.diff(targets.indptr), LIST_LENGTH) - 1]
    return float(((hits * gains).sum(axis=1) / ideal).mean())


def _hits(tracks: Tracks, targets: csr_array) -> NDArray[np.bool_]:
    rows = np.repeat(np.arange(len(tracks)), LIST_LENGTH)
    hits: NDArray[np.bool_] = targets[rows, tracks.ravel()].reshape(tracks.shape) > 0
    return hits


def measure(seed: int) -> list[list[float]]:
    """For each number of places, the columns of the table."""
    interactions, listens = simulate(WorldConfig(seed=seed), DAYS)
    test = split_listens(interactions, listens, seed).test
    fallback = learn_fallback(test.plays, test.user_genres, test.recommendable, test.caps)
    model = next(candidate for candidate in PANEL if candidate.name == MODEL).fit(test.plays, seed)
    plays, user_ids = test.plays[test.users], interactions.user_ids[test.users]
    lists = recommend_lists(model, fallback, plays, test.user_genres[test.users], LIST_LENGTH)
    listeners = np.bincount(test.plays.indices, minlength=test.plays.shape[1])
    rows = []
    for slots in SLOTS:
        begun = time.process_time()
        explorer = learn_explorer(
            replace(interactions, plays=test.plays), test.caps, slots, date(2026, 1, 1)
        )
        tracks = explorer.explore(lists, plays, user_ids).tracks
        seconds = time.process_time() - begun
        hits = _hits(tracks, test.targets)
        found = []
        for least, most in LISTENERS:
            is_known = (listeners >= least) & (listeners <= most)
            wanted = int(np.count_nonzero(is_known[test.targets.indices]))
            found.append(int(np.count_nonzero(hits & is_known[tracks])) / max(wanted, 1))
        listed = np.intersect1d(tracks, np.flatnonzero(test.recommendable))
        coverage = len(listed) / np.count_nonzero(test.recommendable)
        rows.append([_ndcg(hits, test.targets), coverage, *found, seconds])
    return rows


def main() -> None:
    """Prints a row for each number of places, means over the worlds."""
    print("places  ndcg@20  coverage  found of 0  of 1-2  of 3-9 listeners  CPU s")
    for slots, means in zip(SLOTS, np.mean([measure(seed) for seed in SEEDS], axis=0), strict=True):
        print(slots, *(f"{mean:.4f}" for mean in means))


if __name__ == "__main__":
    main()
