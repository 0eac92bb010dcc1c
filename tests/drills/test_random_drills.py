"""Random drills that are always the same; `make drill N=200` runs as many others as one likes."""

from __future__ import annotations

import pytest

from tests.drills.bench import Bench
from tests.drills.drill import WORLDS, run_drill

pytestmark = pytest.mark.xdist_group("drills")

SEEDS = range(WORLDS, 9 * WORLDS, WORLDS)
"""All of one world, whose clean runs serve every test here."""

USUAL = 12
"""Breaks a load several times."""


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.rare] * (seed != USUAL)) for seed in SEEDS]
)
def test_a_broken_day_ends_as_a_clean_one(shared_bench: Bench, seed: int) -> None:
    outcome = run_drill(shared_bench, seed)

    assert outcome.differences == [], outcome.notes
