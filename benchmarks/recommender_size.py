"""What recommending for 100,000 users takes, from PostgreSQL to lists.

In: nothing but the installed project. Out: a table in Markdown: seconds and peak memory of
reading, splitting, selecting, fitting and scoring, all in one process as a retraining is.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from operations.services import embedded_postgres
from recommender.explanations import explain
from recommender.fallback import learn_fallback, recommend_lists
from recommender.interactions import read_interactions, read_listens
from recommender.metrics import LIST_LENGTH
from recommender.neighbours import similar_tracks
from recommender.panel import PANEL, blend
from recommender.selection import select
from recommender.split import caps_of, split_listens
from warehouse.settings import Settings

POSTGRES_PORT = 25495
SOURCE = "moovitamix"
USERS, TRACKS, LISTENS = 100_000, 50_000, 5_000_000
SCENES, CRAWLS = 200, 60
TRACKS_PER_ARTIST = 10
TASTEFUL, DELETED = 0.8, 0.01
MEMORY_MB = 1500


def measure_size() -> bool:
    """Runs the benchmark on an embedded server of its own, and prints its table."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings, {"fsync": "off"})
        try:
            command = [sys.executable, "-m", "benchmarks.recommender_size", folder]
            subprocess.run([*command, "fill"], check=True)
            measuring = subprocess.Popen([*command, "measure"], stdout=subprocess.PIPE)
            steps = []
            for line in measuring.stdout or ():
                steps.append(json.loads(line))
                print(f"{steps[-1]['name']}: {steps[-1]['wall']:.0f} s", file=sys.stderr)
            if measuring.wait():
                sys.exit("The measurement failed.")
        finally:
            embedded_postgres.stop(settings)
    print(f"{USERS:,} users, {TRACKS:,} tracks, {LISTENS:,} listens\n")
    print("| step | wall s | CPU s | peak MB so far |\n|---|---:|---:|---:|")
    for step in steps:
        print(f"| {step['name']} | {step['wall']:.1f} | {step['cpu']:.1f} | {step['peak']:.0f} |")
    return bool(steps[-1]["peak"] <= MEMORY_MB)


def fill_marts(settings: Settings) -> None:
    """Makes what the recommender reads of the marts, without dbt.

    Args:
        settings: An empty warehouse.
    """
    generator = np.random.default_rng(1)
    user_ids = np.arange(USERS) + 10_000_000
    track_ids = np.arange(TRACKS) + 20_000_000
    popularity = 1 / np.arange(1, TRACKS + 1) ** 0.8
    track_scenes = generator.integers(SCENES, size=TRACKS)
    user_scenes = generator.integers(SCENES, size=(USERS, 3))
    lengths = generator.multinomial(LISTENS, generator.dirichlet(np.ones(USERS)))
    users = np.repeat(np.arange(USERS), lengths)
    tracks = generator.choice(TRACKS, LISTENS, p=popularity / popularity.sum())
    scenes = user_scenes[users, generator.integers(3, size=LISTENS)]
    for scene in range(SCENES):
        listens = np.flatnonzero((scenes == scene) & (generator.random(LISTENS) < TASTEFUL))
        own = np.flatnonzero(track_scenes == scene)
        weights = popularity[own] / popularity[own].sum()
        tracks[listens] = generator.choice(own, len(listens), p=weights)
    start = np.datetime64("2026-01-01", "us")
    observed = start + generator.integers(CRAWLS, size=LISTENS) * np.timedelta64(1, "D")
    cutoff = start + np.timedelta64(CRAWLS, "D")
    names = pa.array(user_ids.astype(str)), pa.array(track_ids.astype(str))
    pairs, counts = np.unique(users * TRACKS + tracks, return_counts=True)

    def source(count: int) -> pa.Array:
        return pa.repeat(SOURCE, count)

    tables = {
        "rpt_user_features": {
            "source_name": source(USERS),
            "user_id": names[0],
            "favorite_genre_names": pa.array(
                [f"Genre {scene % 20}" for scene in user_scenes[:, 0]]
            ),
            "is_deleted": pa.repeat(False, USERS),
            "first_listened_at": pa.repeat(start.item(), USERS),
            "data_cutoff_at": pa.repeat(cutoff.item(), USERS),
        },
        "rpt_track_features": {
            "source_name": source(TRACKS),
            "track_id": names[1],
            "artist_key": pa.array((np.arange(TRACKS) // TRACKS_PER_ARTIST).astype(str)),
            "is_deleted": pa.array(generator.random(TRACKS) < DELETED),
            "is_inferred": pa.repeat(False, TRACKS),
        },
        "rpt_user_track_affinities": {
            "source_name": source(len(pairs)),
            "user_id": names[0].take(pa.array(pairs // TRACKS)),
            "track_id": names[1].take(pa.array(pairs % TRACKS)),
            "listen_count": pa.array(counts.astype(np.int32)),
        },
        "fct_listens": {
            "source_name": source(LISTENS),
            "user_id": names[0].take(pa.array(users)),
            "track_id": names[1].take(pa.array(tracks)),
            "first_observed_at": pa.array(observed),
            "listened_at": pa.array(observed),
            "position": pa.array(np.arange(LISTENS, dtype=np.int32)),
        },
    }
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("create schema marts")
    with dbapi.connect(settings.database_url) as connection, connection.cursor() as cursor:
        for name, columns in tables.items():
            cursor.adbc_ingest(name, pa.table(columns), mode="create", db_schema_name="marts")
        connection.commit()


def _measure(settings: Settings) -> None:
    with _step("imports"):
        pass
    with _step("read interactions"):
        interactions = read_interactions(settings, SOURCE)
    with _step("read listens"):
        listens = read_listens(settings, interactions)
    with _step("split"):
        split = split_listens(interactions, listens, seed=1)
    del listens
    user_count = len(split.validation.users)
    for candidate in PANEL:
        with _step(f"select: {candidate.name}, {user_count:,} users"):
            select(split.validation, 1, (candidate,))
    del split
    plays, recommendable = interactions.plays, interactions.recommendable
    with _step("learn fallback"):
        caps = caps_of(interactions, settings.lists)
        fallback = learn_fallback(plays, interactions.user_genres, recommendable, caps)
    by_name = {candidate.name: candidate for candidate in PANEL}
    for candidate in (*PANEL, blend(by_name["als-64"], by_name["ridge-30"], 0.6)):
        with _step(f"fit {candidate.name}"):
            model = candidate.fit(plays, 1)
        with _step(f"lists of {candidate.name} for all users"):
            lists = recommend_lists(model, fallback, plays, interactions.user_genres, LIST_LENGTH)
        with _step(f"reasons of {candidate.name} for all users"):
            explain(model, plays, lists.tracks)
        del model, lists
    with _step("similar tracks"):
        similar_tracks(plays, LIST_LENGTH, recommendable)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Prints what the block took, as a line of JSON."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"name": name, **spent, "peak": peak}), flush=True)


if __name__ == "__main__":
    _settings = Settings(home=Path(sys.argv[1]) / "home", embedded_port=POSTGRES_PORT)
    {"fill": fill_marts, "measure": _measure}[sys.argv[2]](_settings)
