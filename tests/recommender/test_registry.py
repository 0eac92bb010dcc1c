"""The registry of models, on MLflow's tables in PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from recommender import registry as model_registry
from recommender.artifact import BrokenArtifactError
from recommender.interactions import read_interactions
from recommender.panel import PANEL, POPULARITY
from recommender.recommend import SOURCE_NAME
from recommender.registry import CHAMPION, PREVIOUS_CHAMPION, open_registry
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF


def test_a_version_is_all_that_was_registered(trained: House) -> None:
    registry = trained.registry()
    (training_id,) = trained.rows("select training_id from recommendations.trainings")[0]

    champion, first = registry.versions()

    assert (champion.number, champion.aliases, champion.candidate) == ("2", (CHAMPION,), PANEL[1])
    assert (first.number, first.aliases, first.candidate) == ("1", (PREVIOUS_CHAMPION,), POPULARITY)
    assert champion.training_id == first.training_id == training_id
    assert champion.data_cutoff == CUTOFF
    assert {path.stem for path in trained.artifacts()} == {champion.sha256, first.sha256}


def test_a_loaded_model_recommends_what_it_did_before(trained: House) -> None:
    registry = trained.registry()
    interactions = read_interactions(trained.settings, SOURCE_NAME)
    asked = (interactions.plays, 20, interactions.recommendable)

    for version in registry.versions():
        loaded = registry.load(version)

        fitted = version.candidate.fit(interactions.plays, seed=1)
        for mine, theirs in zip(
            loaded.model.recommend(*asked), fitted.recommend(*asked), strict=True
        ):
            assert np.array_equal(mine, theirs)
        assert loaded.track_ids.tolist() == interactions.track_ids.tolist()


def test_a_file_of_another_kind_is_broken(trained: House) -> None:
    registry = trained.registry()
    champion, first = registry.versions()

    with pytest.raises(BrokenArtifactError, match="no model of the kind bm25"):
        registry.load(replace(champion, sha256=first.sha256))


def test_sources_have_models_of_their_own(trained: House) -> None:
    other = open_registry(trained.settings, trained.connection, "other")

    assert other.versions() == []
    assert other.find(CHAMPION) is None
    assert len(trained.registry().versions()) == 2


def test_old_files_go_but_for_those_that_have_an_alias(
    trained: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_registry, "KEPT_ARTIFACTS", 2)
    registry = trained.registry()
    champion, first = registry.versions()
    loaded = registry.load(first)
    for number in range(3):
        registry.register(
            loaded.model,
            POPULARITY,
            loaded.track_ids + f"-{number}",
            first.training_id,
            first.data_cutoff,
        )
    assert len(trained.artifacts()) == 5

    registry.delete_old_artifacts()

    newest = [version.sha256 for version in registry.versions()[:2]]
    kept = {champion.sha256, first.sha256, *newest}
    assert {path.stem for path in trained.artifacts()} == kept
    assert len(registry.versions()) == 5


def test_mlflow_keeps_to_its_schema_and_reports_to_nobody(trained: House) -> None:
    trained.registry()

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    tables = trained.rows("select schemaname from pg_tables where tablename = 'model_versions'")
    assert tables == [("mlflow",)]
