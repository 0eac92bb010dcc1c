"""ALS of Spark MLlib as a model: fitted by Spark, stored and served without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spark_als
from scipy.sparse import csr_array
from spark_als import SPARK_ALS_64

from recommender.als import AlsModel
from recommender.installed_models import ModelClass
from warehouse.errors import RecommenderError

GROUP, LISTENERS, HEARD = 10, 30, 5
NEVER_PLAYED = 2 * GROUP
RECOMMENDABLE = np.ones(NEVER_PLAYED + 1, dtype=bool)


def two_crowds() -> csr_array:
    """Listeners of one group of tracks or of another, and a track that nobody plays."""
    generator = np.random.default_rng(1)
    plays = np.zeros((2 * LISTENERS, NEVER_PLAYED + 1), np.float32)
    for user in range(2 * LISTENERS):
        first = GROUP * (user % 2)
        plays[user, generator.choice(GROUP, HEARD, replace=False) + first] = 1
    return csr_array(plays)


def test_spark_finds_the_taste_and_every_process_serves_it() -> None:
    plays = two_crowds()
    model = fitted(plays)
    tracks, scores = model.recommend(plays, HEARD, RECOMMENDABLE)

    assert (tracks[0::2] < GROUP).all()
    assert ((tracks[1::2] >= GROUP) & (tracks[1::2] < NEVER_PLAYED)).all()
    assert not model.factors[NEVER_PLAYED].any()
    kind: ModelClass = spark_als.SparkAls
    stored = kind.from_arrays(model.to_arrays())
    assert stored.kind == model.kind == SPARK_ALS_64.kind
    np.testing.assert_array_equal(stored.recommend(plays, HEARD, RECOMMENDABLE)[1], scores)


def fitted(plays: csr_array) -> AlsModel:
    return spark_als.SparkAls.fit(plays, 1, **SPARK_ALS_64.parameters)


def test_what_spark_says_reaches_who_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTENHOUSE_SPARK_MASTER", "spark:nowhere")

    with pytest.raises(RecommenderError, match=r"Could not parse Master URL: 'spark:nowhere'"):
        fitted(two_crowds())


def test_without_spark_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_als, "_PYTHON", Path(spark_als.PROJECT_ROOT / "spark" / "none"))

    with pytest.raises(RecommenderError, match="Install it with make spark"):
        fitted(two_crowds())
