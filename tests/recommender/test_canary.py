"""A challenger that serves a share of the users, until what they play decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from operations.cli import main
from recommender.champion import apply_decision
from recommender.gate import Decision
from recommender.registry import CHALLENGER, CHAMPION, Registry, Version
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF

NOT_SURELY_BETTER = Decision(False, "Not surely better.", 0.01, -0.01, 0.03, 240)
SURELY_WORSE = Decision(False, "Worse.", -0.02, -0.03, -0.01, 240)
PROMOTED = Decision(True, "Better.", 0.02, 0.01, 0.03, 240)
BETTER, WORSE = (0.02, 0.01, 0.03), (-0.02, -0.03, -0.01)


@pytest.fixture
def house(trained: House) -> House:
    """A warehouse that tries challengers on half of its users."""
    settings = trained.settings.model_copy(update={"canary_percent": 50})
    return replace(trained, settings=settings)


def refuse(house: House, decision: Decision = NOT_SURELY_BETTER) -> Version:
    """Registers a challenger that the gate refuses: the champion, with its tracks confused."""
    registry = house.registry()
    champion = registry.load(one_of(registry, CHAMPION))
    challenger = registry.register(
        champion.model,
        champion.version.candidate,
        np.roll(champion.track_ids, len(registry.versions())),
        champion.version.training_id,
        CUTOFF + timedelta(days=1),
    )
    registry.point(CHALLENGER, challenger)
    apply_decision(registry, house.connection, challenger, decision)
    return challenger


def one_of(registry: Registry, alias: str) -> Version:
    found = registry.find(alias)
    assert found is not None
    return found


def served(house: House) -> dict[str, set[str]]:
    """The versions that the list of each user is by."""
    rows = house.rows(
        "select user_id, array_agg(distinct model_version) from recommendations.recommendations"
        " where model_version is not null group by user_id"
    )
    return {user_id: set(versions) for user_id, versions in rows}


def lists(house: House, version: str) -> set[tuple[object, ...]]:
    return set(
        house.rows(
            "select user_id, rank, track_id from recommendations.recommendations"
            " where model_version = %s",
            version,
        )
    )


def observe(house: House, difference: tuple[float, float, float], days: int = 3) -> None:
    """What both groups played, as dbt builds it: its own unit test is about that."""
    house.connection.execute(
        """
        drop table if exists marts.rpt_canary_lift;
        create table marts.rpt_canary_lift as
        select
            canary_id,
            0 as day_count,
            60 as champion_user_count,
            70 as challenger_user_count,
            0.0::double precision as difference,
            0.0::double precision as difference_lower,
            0.0::double precision as difference_upper
        from recommendations.canaries;
        """
    )
    house.connection.execute(
        "update marts.rpt_canary_lift set day_count = %s, difference = %s, difference_lower = %s,"
        " difference_upper = %s",
        (days, *difference),
    )


def canaries(house: House) -> list[tuple[object, ...]]:
    return house.rows(
        "select challenger_version, outcome, ended_at is null from recommendations.canaries"
        " order by started_at"
    )


def test_the_same_users_are_served_by_the_challenger_until_it_is_promoted(house: House) -> None:
    house.recommend()
    before = lists(house, "2")
    challenger = refuse(house)

    report = house.recommend()

    assert report.canary == f"{challenger.label} serves 50% of the users as a canary"
    versions = served(house)
    assert set().union(*versions.values()) == {"2", challenger.number}
    assert all(len(found) == 1 for found in versions.values())
    group = {user for user, found in versions.items() if found == {challenger.number}}
    assert 0.35 < len(group) / len(versions) < 0.65
    # the others' lists are as they were
    assert lists(house, "2") == {row for row in before if row[0] not in group}
    recorded = {user for (user,) in house.rows("select user_id from recommendations.canary_users")}
    assert group == recorded & versions.keys()

    observe(house, BETTER, days=2)
    house.recommend()
    assert {user for user, found in served(house).items() if found == {challenger.number}} == group
    observe(house, BETTER)
    report = house.recommend()

    assert report.canary is None
    assert set().union(*served(house).values()) == {challenger.number}
    assert canaries(house) == [(challenger.number, "promoted", False)]
    (last,) = house.rows(
        "select decision, decided_by, metric, difference, user_count, reason"
        " from recommendations.promotions order by decided_at desc limit 1"
    )
    assert last == (
        "promoted", "canary", "lift", 0.02, 60, "Better than the champion where it served:"
        " lift +2.00 points (+1.00 to +3.00) over 3 days.",
    )  # fmt: skip


def test_a_challenger_that_did_worse_is_not_tried_again(house: House) -> None:
    challenger = refuse(house)
    house.recommend()
    observe(house, WORSE)

    assert house.recommend().canary is None
    assert house.recommend().canary is None
    assert set().union(*served(house).values()) == {"2"}
    assert canaries(house) == [(challenger.number, "ended", False)]
    assert refuse(house).label in str(house.recommend().canary)


def test_one_that_is_surely_worse_offline_serves_nobody(house: House) -> None:
    refuse(house, SURELY_WORSE)

    assert house.recommend().canary is None
    assert canaries(house) == []


def test_it_is_over_when_another_becomes_champion_or_nobody_wants_it(house: House) -> None:
    first = refuse(house)
    house.recommend()
    registry = house.registry()
    apply_decision(registry, house.connection, refuse(house), PROMOTED)
    house.recommend()
    second = refuse(house)
    house.recommend()
    nobody = replace(house, settings=house.settings.model_copy(update={"canary_percent": 0}))

    assert nobody.recommend().canary is None
    assert canaries(house) == [
        (first.number, "abandoned", False),
        (second.number, "abandoned", False),
    ]


def test_a_challenger_whose_file_is_gone_serves_nobody(house: House) -> None:
    challenger = refuse(house)
    (house.settings.model_directory / "moovitamix" / f"{challenger.sha256}.npz").unlink()

    assert house.recommend().canary is None
    ((reason,),) = house.rows("select reason from recommendations.canaries")
    assert reason.startswith("The challenger cannot be loaded: ")


def test_models_shows_how_it_stands(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(house)
    house.recommend()
    monkeypatch.setenv("LISTENHOUSE_DATABASE_URL", house.settings.database_url)
    monkeypatch.setenv("LISTENHOUSE_HOME", str(house.settings.home))

    assert "version 3 for 50% of the users; no outcome is known yet." in (
        CliRunner().invoke(main, ["models"]).output
    )
    observe(house, WORSE)
    assert "lift -2.00 points (-3.00 to -1.00) over 3 days." in (
        CliRunner().invoke(main, ["models"]).output
    )
