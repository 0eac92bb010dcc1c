"""Latent factors by the ALS of Spark MLlib, for plays that take one machine too long.

In: plays by user and track. Out: the model of `recommender.als`, with factors that Spark found.
Spark runs in `spark/.venv` (`make spark`); plays go there and factors come back as Parquet, in a
temporary folder that executors have to see: on a cluster, `TMPDIR` names a folder of all machines.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet
from scipy.sparse import csr_array

from recommender.als import AlsModel
from recommender.models import weigh
from recommender.panel import Candidate
from warehouse.errors import RecommenderError
from warehouse.settings import PROJECT_ROOT

KIND = "spark_als"

SPARK_ALS_64 = Candidate(
    "spark-als-64",
    KIND,
    {"weighting": "log", "factors": 64, "iterations": 15, "regularization": 1.0, "alpha": 10},
)

_PYTHON = PROJECT_ROOT / "spark" / ".venv" / "bin" / "python"
_TRAIN = Path(__file__).with_name("train.py")

_ROWS = 1_000_000
"""Plays in a row group: what is in memory a second time while they are written."""


class SparkAls:
    """The kind `spark_als`: fitted by Spark, served as every ALS is."""

    @classmethod
    def fit(
        cls, plays: csr_array, seed: int, weighting: str, alpha: float, **settings: Any
    ) -> AlsModel:
        """Has Spark factorize plays; users' factors are thrown away.

        Args:
            plays: Listens by user and track (n_users, n_tracks).
            seed: Seed of the first factors.
            weighting: How plays become weights, see `recommender.models.weigh`.
            alpha: Of weights whose mean is 1, as in `recommender.als`.
            settings: Of the least squares: `factors` of a track, `iterations`, `regularization`,
                which MLlib multiplies with the plays of a user or track.

        Raises:
            RecommenderError: Spark is not installed, or failed.
        """
        if not _PYTHON.exists():
            raise RecommenderError(
                f"Spark is not installed: there is no {_PYTHON.relative_to(PROJECT_ROOT)}. Install "
                "it with make spark, or uninstall listenhouse-spark-als, which asks for it."
            )
        weights = weigh(plays, weighting)
        alpha /= float(weights.data.mean()) if weights.nnz else 1.0
        with tempfile.TemporaryDirectory(prefix="listenhouse-als-") as name:
            folder = Path(name)
            _write_plays(folder / "plays.parquet", weights)
            _run_spark(name, **settings, alpha=alpha, seed=seed)
            factors = _read_factors(folder / "factors", plays.shape[1], settings["factors"])
        # a user is folded in with the regularization of a user of average plays
        mean_plays = weights.nnz / max(1, weights.shape[0])
        regularization = settings["regularization"] * mean_plays
        return AlsModel(factors, weighting, regularization, alpha, KIND)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> AlsModel:
        """Makes a model of its arrays.

        Raises:
            KeyError: An array is missing.
        """
        return replace(AlsModel.from_arrays(arrays), kind=KIND)


def _write_plays(path: Path, weights: Any) -> None:
    schema = pa.schema({"user": pa.int32(), "track": pa.int32(), "weight": pa.float32()})
    users = np.repeat(np.arange(weights.shape[0], dtype=np.int32), np.diff(weights.indptr))
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, weights.nnz, _ROWS):
            rows = slice(start, start + _ROWS)
            columns = (users[rows], weights.indices[rows], weights.data[rows])
            writer.write_table(pa.table(list(map(pa.array, columns)), schema=schema))


def _run_spark(folder: str, **settings: float) -> None:
    command = [str(_PYTHON), str(_TRAIN), folder, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        # Java's stack is indented
        said = [line.strip(": ") for line in done.stderr.splitlines() if line[:1].strip()]
        raise RecommenderError(
            f"Spark found no factors ({said[-1] if said else 'it said nothing'}). See that the "
            "cluster of LISTENHOUSE_SPARK_MASTER runs and has memory, then train again."
        )


def _read_factors(folder: Path, track_count: int, length: int) -> NDArray[np.float32]:
    """Factors by track; of tracks that nobody played, zeros."""
    table = parquet.read_table(folder)
    factors = np.zeros((track_count, length), np.float32)
    found = np.asarray(table["features"].combine_chunks().flatten(), np.float32)
    factors[np.asarray(table["id"])] = found.reshape(-1, length)
    return factors
