"""A kind of model that another package brings, examples/own_model, from a training to lists."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints, entry_points

import numpy as np
import pytest

from recommender import installed_models
from recommender.panel import Candidate
from tests.recommender.conftest import House

EASE = Candidate("ease-50", "ease", {"regularization": 50.0})


def test_it_is_registered_judged_and_served(untrained: House) -> None:
    report = untrained.retrain(panel=(EASE,))

    assert report.decision is not None
    assert report.decision.promote, report.decision.reason
    champion = untrained.registry().find("champion")
    assert champion is not None
    assert champion.candidate == EASE
    loaded = untrained.registry().load(champion)
    assert loaded.model.kind == "ease"
    assert not np.diag(loaded.model.to_arrays()["weights"]).any()
    assert untrained.recommend().counts["model"] > 0


def test_a_candidate_of_a_package_competes_in_every_training(
    untrained: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = EntryPoint("ease-50", f"{__name__}:EASE", installed_models.CANDIDATES)
    declared = EntryPoints((*entry_points(group=installed_models.ENTRY_POINTS), own))
    monkeypatch.setattr(installed_models, "entry_points", declared.select)

    untrained.retrain()

    tried = untrained.rows(
        "select distinct candidate from recommendations.evaluations where role = 'panel'"
    )
    assert ("ease-50",) in tried


def test_without_its_package_popularity_takes_its_place_and_says_why(
    untrained: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained.retrain(panel=(EASE,))
    monkeypatch.setattr(installed_models, "entry_points", lambda **_: EntryPoints())

    assert "model" not in untrained.recommend().counts
    ((reason,),) = untrained.rows(
        "select reason from recommendations.promotions where decision = 'fell_back'"
    )
    assert "no installed package declares it as an entry point in the group" in reason
