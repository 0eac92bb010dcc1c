"""How good the recommender is, beside others, and what its gate does.

    python -m benchmarks.recommender quality [--hetrec FOLDER]
    python -m benchmarks.recommender cold [--hetrec FOLDER]
    python -m benchmarks.recommender gate
    python -m benchmarks.recommender size

In: nothing but the installed project; for `quality` and `cold` also hetrec2011-lastfm-2k, where it
is there. Out: tables in Markdown on standard output; exit code 1 when a promise is not kept.

quality  the panel, cosine kNN and published configurations, as served, on real listens (three
         seeds, 80/20 of each user's artists) and on fortnights of three simulated worlds
         with tastes and of three without; and what the selection picks.
cold     users of whom all but the first few listens are hidden; tracks with few listeners.
gate     how often it promotes: the same model with another seed, the winner of listens without
         tastes, the winner of listens with tastes.
size     100,000 users, 50,000 tracks, 5 million listens, from PostgreSQL to lists.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from benchmarks.recommender_contenders import fit_ease, fit_tutorial
from benchmarks.recommender_size import measure_size
from benchmarks.recommender_worlds import (
    hide_all_but,
    hold_out_random,
    in_random_order,
    read_hetrec,
    simulate,
)
from recommender.fallback import learn_fallback, recommend_lists
from recommender.gate import Contest, Decision, decide
from recommender.metrics import LIST_LENGTH, Metric, coverage, user_metrics
from recommender.models import FittedModel, Tracks
from recommender.panel import COSINE, PANEL, POPULARITY, Candidate, blend
from recommender.selection import select, serve_holdout
from recommender.split import Holdout, Split, split_listens
from simulator import WorldConfig
from warehouse.settings import PROJECT_ROOT

HETREC = PROJECT_ROOT.parent / "shared" / "data" / "hetrec-lastfm"
SEEDS = (1, 2, 3)
PROMISED: dict[Metric, float] = {("ndcg", 10): 0.243, ("recall", 20): 0.283}

DAYS = 14
WORLDS = {"with tastes": True, "without tastes": False}
GATE_SEEDS = range(1, 11)

COLD_USERS, COLD_USER_LISTENS = 600, 15
SHOWN = (0, 1, 2, 3, 10)
LISTENERS = {"0": (0, 0), "1–2": (1, 2), "3–9": (3, 9), "10–29": (10, 29), "30+": (30, 10**9)}

COLUMNS: tuple[Metric, ...] = (
    ("ndcg", 10),
    ("ndcg", 20),
    ("recall", 10),
    ("recall", 20),
    ("map", 10),
    ("hit_rate", 10),
    ("novelty", 10),
)


@dataclass(frozen=True)
class Score:
    """Means over users, and what they cost."""

    means: dict[Metric, float]
    coverage: float
    seconds: float


def main() -> None:
    """Runs a part of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=("quality", "cold", "gate", "size"))
    parser.add_argument("--hetrec", type=Path, default=HETREC, help="folder of the data set")
    options = parser.parse_args()
    if options.part == "quality":
        kept = _hetrec_quality(options.hetrec) and _simulated_quality()
    else:
        if options.part == "cold":
            _cold_hetrec(options.hetrec)
        kept = {"cold": _cold, "gate": _gate, "size": measure_size}[options.part]()
    sys.exit(0 if kept else 1)


def _hetrec_quality(folder: Path) -> bool:
    if not (folder / "user_artists.dat").exists():
        print(f"No user_artists.dat in {folder}: without real listens (--hetrec FOLDER).\n")
        return True
    plays = read_hetrec(folder)
    scores: dict[str, list[Score]] = {}
    for seed in SEEDS:
        test = hold_out_random(plays, seed)
        winner = select(hold_out_random(test.plays, seed), seed).winner
        print(f"seed {seed}: {winner.name} is selected", file=sys.stderr)
        _compare(test, seed, scores)
        scores.setdefault("selected", []).append(_score(_fitting(winner, seed), test))
    _print_scores(f"HetRec, {len(SEEDS)} seeds", scores)
    return all(
        np.mean([score.means[metric] for score in scores["selected"]]) >= promised
        for metric, promised in PROMISED.items()
    )


def _simulated_quality() -> bool:
    kept = True
    for name, tastes in WORLDS.items():
        scores: dict[str, list[Score]] = {}
        outcomes = []
        for seed in SEEDS:
            config = WorldConfig(tastes=tastes, seed=seed)
            split = split_listens(*simulate(config, DAYS), seed)
            winner, decision = _challenge(split, seed)
            _compare(split.test, seed, scores)
            scores.setdefault("selected", []).append(_score(_fitting(winner, seed), split.test))
            outcomes.append(f"seed {seed}: {winner.name} is selected. {decision.reason}")
            kept &= decision.promote == tastes
        _print_scores(f"Simulator {name}, {len(SEEDS)} seeds", scores)
        print("\n".join(outcomes) + "\n")
    return kept


def _compare(holdout: Holdout, seed: int, scores: dict[str, list[Score]]) -> None:
    contenders: dict[str, Callable[[csr_array], FittedModel]] = {
        candidate.name: _fitting(candidate, seed) for candidate in (*PANEL, COSINE)
    }
    contenders["EASE (RecBole)"] = fit_ease
    contenders["ALS (implicit's tutorial)"] = lambda plays: fit_tutorial(plays, seed)
    for name, fit in contenders.items():
        scores.setdefault(name, []).append(_score(fit, holdout))


def _score(fit: Callable[[csr_array], FittedModel], holdout: Holdout) -> Score:
    begin = time.process_time()
    tracks = serve_holdout(fit(holdout.plays), holdout).tracks
    seconds = time.process_time() - begin
    means = {
        metric: float(values.mean()) for metric, values in user_metrics(tracks, holdout).items()
    }
    return Score(means, coverage(tracks, holdout), seconds)


def _fitting(candidate: Candidate, seed: int) -> Callable[[csr_array], FittedModel]:
    return lambda plays: candidate.fit(plays, seed)


def _print_scores(title: str, scores: dict[str, list[Score]]) -> None:
    header = [title, *(f"{metric}@{k}" for metric, k in COLUMNS), "coverage@20", "CPU s"]
    rows = []
    for name, found in scores.items():
        means = [np.mean([score.means[metric] for score in found]) for metric in COLUMNS]
        share = np.mean([score.coverage for score in found])
        seconds = np.mean([score.seconds for score in found])
        figures = (f"{mean:.2f}" if mean > 1 else f"{mean:.4f}" for mean in means)
        rows.append([name, *figures, f"{share:.3f}", f"{seconds:.1f}"])
    _print_table(header, rows)


def _challenge(split: Split, seed: int) -> tuple[Candidate, Decision]:
    """Lets the selected candidate challenge popularity."""
    winner = select(split.validation, seed).winner
    popularity = serve_holdout(POPULARITY.fit(split.test.plays, seed), split.test).tracks
    challenger = serve_holdout(winner.fit(split.test.plays, seed), split.test).tracks
    return winner, decide(Contest(challenger, popularity, popularity), split.test, seed)


def _cold_hetrec(folder: Path) -> None:
    if not (folder / "user_artists.dat").exists():
        return
    plays = read_hetrec(folder)
    named = {candidate.name: candidate for candidate in PANEL}
    contenders = (POPULARITY, blend(named["als-64"], named["ridge-30"], 0.6))
    rows = []
    for kept in (one for one in SHOWN if one):
        found: dict[str, list[float]] = {}
        for seed in SEEDS:
            users = np.random.default_rng(seed).choice(
                plays.shape[0], COLD_USERS // 2, replace=False
            )
            holdout = hide_all_but(*in_random_order(plays, seed), np.sort(users), kept)
            for one in contenders:
                tracks = serve_holdout(one.fit(holdout.plays, seed), holdout).tracks
                quality = float(user_metrics(tracks, holdout)["ndcg", 20].mean())
                found.setdefault(one.name, []).append(quality)
        rows.append([str(kept), *(f"{np.mean(values):.3f}" for values in found.values())])
    print(f"{COLD_USERS // 2} users of HetRec, without genres, {len(SEEDS)} seeds, ndcg@20\n")
    _print_table(["listens", *(one.name for one in contenders)], rows)


def _cold() -> bool:
    for name, tastes in WORLDS.items():
        config = WorldConfig(users=4000, tracks=3000, seed=5, tastes=tastes)
        interactions, listens = simulate(config, 3)
        counts = np.bincount(listens.users, minlength=len(interactions.user_ids))
        able = np.flatnonzero(counts >= COLD_USER_LISTENS)
        users = np.sort(np.random.default_rng(1).choice(able, COLD_USERS, replace=False))
        rows = []
        for kept in SHOWN:
            holdout = hide_all_but(interactions, listens, users, kept)
            rows.append([str(kept), *_cold_user_row(holdout)])
        print(f"{COLD_USERS} users {name}, ndcg@20\n")
        _print_table(["listens", "as served", "popularity", "genres", *_COLD_MODELS], rows)
        _print_cold_tracks(split_listens(interactions, listens, seed=1), name)
    return True


_COLD_MODELS = ("bm25-k100-log", "als-64")


def _cold_user_row(holdout: Holdout) -> list[str]:
    fallback = learn_fallback(
        holdout.plays, holdout.user_genres, holdout.recommendable, holdout.caps
    )
    plays = csr_array(holdout.plays[holdout.users])
    nothing = csr_array(plays.shape, dtype=np.float32)
    genres = csr_array(holdout.user_genres[holdout.users])
    models = {
        candidate.name: candidate.fit(holdout.plays, 1)
        for candidate in PANEL
        if candidate.name in _COLD_MODELS
    }
    first = models[_COLD_MODELS[0]]
    # as if nobody had listened, so that nobody is too warm for it; what was heard is taken out
    blended = recommend_lists(first, fallback, nothing, genres, LIST_LENGTH + max(SHOWN))
    found: list[Tracks] = [
        serve_holdout(first, holdout).tracks,
        fallback.popularity.recommend(plays, LIST_LENGTH, holdout.recommendable)[0],
        _without_heard(blended.tracks, plays),
        *(
            model.recommend(plays, LIST_LENGTH, holdout.recommendable)[0]
            for model in models.values()
        ),
    ]
    return [f"{user_metrics(tracks, holdout)['ndcg', 20].mean():.3f}" for tracks in found]


def _without_heard(tracks: Tracks, plays: csr_array) -> Tracks:
    heard = plays.toarray() > 0
    return np.array(
        [
            [one for one in row if not heard[user, one]][:LIST_LENGTH]
            for user, row in enumerate(tracks)
        ],
        np.int32,
    )


def _print_cold_tracks(split: Split, name: str) -> None:
    """By the listeners that a track had before: how often later listens were foretold."""
    test = split.test
    listeners = np.bincount(test.plays.indices, minlength=test.plays.shape[1])
    lists = {
        candidate.name: serve_holdout(candidate.fit(test.plays, 1), test).tracks
        for candidate in (POPULARITY, *(one for one in PANEL if one.name in _COLD_MODELS))
    }
    owners = np.repeat(np.arange(len(test.users)), np.diff(test.targets.indptr))
    rows = []
    for label, (low, high) in LISTENERS.items():
        is_in = (listeners >= low) & (listeners <= high)
        wanted = is_in[test.targets.indices]
        row = [label, f"{int((is_in & test.recommendable).sum())}", f"{int(wanted.sum())}"]
        for tracks in lists.values():
            hits = (tracks[owners] == test.targets.indices[:, None]).any(axis=1)
            row.append(f"{hits[wanted].mean():.3f}" if wanted.any() else "–")
        rows.append(row)
    print(f"Tracks {name}: share of later first listens that were in the list of 20\n")
    _print_table(["listeners before", "tracks", "listens", *lists], rows)


def _gate() -> bool:
    trials: dict[str, list[Decision]] = {"the same recipe, another seed": []}
    for seed in GATE_SEEDS:
        for name, tastes in WORLDS.items():
            config = WorldConfig(tastes=tastes, seed=seed)
            split = split_listens(*simulate(config, DAYS), seed)
            winner, decision = _challenge(split, seed)
            trials.setdefault(f"selected {name}", []).append(decision)
            print(f"seed {seed} {name}: {winner.name}, {decision.reason}", file=sys.stderr)
            if tastes:
                trials["the same recipe, another seed"] += _reseeded(split.test, seed)
    rows = [
        [name, str(len(decisions)), str(sum(decision.promote for decision in decisions))]
        for name, decisions in trials.items()
    ]
    _print_table(["challenger", "trials", "promoted"], rows)
    same, *others = trials.values()
    # one in forty is what an interval of 95 % allows
    return not any(decision.promote for decision in others[1]) and len(same) >= 20 * sum(
        decision.promote for decision in same
    )


def _reseeded(test: Holdout, seed: int) -> Iterable[Decision]:
    popularity = serve_holdout(POPULARITY.fit(test.plays, 0), test).tracks
    als = next(candidate for candidate in PANEL if candidate.name == "als-64")
    champion, *challengers = (
        serve_holdout(als.fit(test.plays, 100 * seed + other), test).tracks for other in range(3)
    )
    return [
        decide(Contest(challenger, champion, popularity), test, seed) for challenger in challengers
    ]


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    print(f"| {' | '.join(header)} |")
    print(f"|---|{'---:|' * (len(header) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


if __name__ == "__main__":
    main()
