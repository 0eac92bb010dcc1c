"""When a training is needed, trigger by trigger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from recommender.panel import PANEL, POPULARITY
from recommender.recommend import SOURCE_NAME
from recommender.registry import Version
from recommender.triggers import Standing, Trigger, judge_triggers
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF, TASTES
from warehouse.settings import RetrainTriggers

CHAMPION = Version("2", UUID(int=0), PANEL[1], CUTOFF, "", ("champion",), CUTOFF)
TRAINED = Standing(CUTOFF, CHAMPION)
THRESHOLDS = RetrainTriggers(days=1_000, new_listens_percent=1_000, outcome_days=3)
"""By which nothing but the trigger under test fires."""


def judge(
    house: House,
    days: int = 30,
    standing: Standing | None = TRAINED,
    thresholds: RetrainTriggers = THRESHOLDS,
) -> dict[str, Trigger]:
    """The triggers, days after the training."""
    boundary = CUTOFF + timedelta(days=days)
    judged = judge_triggers(house.connection, SOURCE_NAME, standing, boundary, thresholds)
    return {trigger.name: trigger for trigger in judged}


def fired(triggers: dict[str, Trigger]) -> list[str]:
    """Names of those that fired."""
    return [name for name, trigger in triggers.items() if trigger.fired]


Day = tuple[str, float, float, float]
"""Model, lift, its upper bound and the hit rate of a day."""


def add_outcomes(house: House, *days: Day, users: int = 1000, open_days: int = 0) -> None:
    """Adds the outcome of some days, the last of which may not be over."""
    house.connection.execute(
        """
        drop table if exists marts.rpt_recommendation_lift;
        create table marts.rpt_recommendation_lift (
            source_name text,
            for_date date,
            model_version text,
            lift double precision,
            lift_upper double precision,
            user_hit_rate double precision,
            user_count integer,
            is_window_complete boolean
        )
        """
    )
    house.connection.cursor().executemany(
        "insert into marts.rpt_recommendation_lift"
        " values ('moovitamix', %s, %s, %s, %s, %s, %s, %s)",
        [
            (CUTOFF.date() + timedelta(days=n), *day, users, n < len(days) - open_days)
            for n, day in enumerate(days)
        ],
    )


BEFORE = ("1", 0.05, 0.07, 0.2)
GOOD = ("2", 0.05, 0.07, 0.2)
GONE = ("2", -0.03, -0.02, 0.2)


def test_without_a_champion_the_first_training_is_needed(untrained: House) -> None:
    triggers = judge(untrained, standing=None)

    assert list(triggers) == fired(triggers) == ["first"]


def test_within_the_cooldown_nothing_else_is_judged(untrained: House) -> None:
    thresholds = RetrainTriggers(days=1, cooldown_days=2)

    assert list(judge(untrained, days=1, thresholds=thresholds)) == ["cooldown"]
    triggers = judge(untrained, days=2, thresholds=thresholds)
    assert fired(triggers) == ["schedule"]
    assert "2 days of data ago, the schedule is 1 day" in triggers["schedule"].sentence


@pytest.mark.parametrize(("hours", "needed"), [(6 * 24, False), (7 * 24 - 2, True)])
def test_the_schedule_goes_by_the_days_of_the_data(
    untrained: House, hours: int, needed: bool
) -> None:
    boundary = CUTOFF + timedelta(hours=hours)
    judged = judge_triggers(
        untrained.connection, SOURCE_NAME, TRAINED, boundary, RetrainTriggers(days=7)
    )

    assert [trigger.fired for trigger in judged if trigger.name == "schedule"] == [needed]


def test_many_new_listens_need_a_training(untrained: House) -> None:
    thresholds = RetrainTriggers(days=1_000, new_listens_percent=10)
    # 3,841 were there at the training
    untrained.marts.listen("Rock-1", ["Rock-2"] * 384, CUTOFF + timedelta(days=1))
    assert fired(judge(untrained, thresholds=thresholds)) == []

    untrained.marts.listen("Rock-1", ["Rock-2"], CUTOFF + timedelta(days=2))
    triggers = judge(untrained, thresholds=thresholds)

    assert fired(triggers) == ["new_listens"]
    assert "385 listens are new since the training, 10.0% of" in triggers["new_listens"].sentence


def test_a_lift_that_may_be_there_is_left_alone_one_that_is_not_needs_a_training(
    untrained: House,
) -> None:
    assert "outcome of 0 days" in judge(untrained)["lift"].sentence
    weak = ("2", 0.0, 0.01, 0.2)
    add_outcomes(untrained, GONE, GONE, weak, weak, weak)
    assert fired(judge(untrained)) == []

    add_outcomes(untrained, GOOD, GOOD, GONE, GONE, ("2", -0.02, -0.01, 0.2))
    triggers = judge(untrained)

    assert fired(triggers) == ["lift"]
    assert "of the last 3 days is -2.67%, at best -1.67%" in triggers["lift"].sentence


def test_what_is_not_over_or_of_another_champion_says_nothing_of_this_one(
    untrained: House,
) -> None:
    add_outcomes(untrained, GONE, GONE, GONE, open_days=1)
    triggers = judge(untrained)
    assert fired(triggers) == []
    assert "outcome of 2 days" in triggers["lift"].sentence

    add_outcomes(untrained, ("1", -0.03, -0.02, 0.2), GONE, GONE)
    assert fired(judge(untrained)) == []


def test_popularity_has_no_lift_to_lose(untrained: House) -> None:
    add_outcomes(untrained, *[("2", 0.0, 0.0, 0.2)] * 3)
    popularity = replace(CHAMPION, candidate=POPULARITY)

    assert fired(judge(untrained)) == ["lift"]
    assert fired(judge(untrained, standing=Standing(CUTOFF, popularity))) == []


def test_a_hit_rate_that_fell_far_below_its_mean_needs_a_training(untrained: House) -> None:
    low, high = ("2", 0.05, 0.07, 0.09), ("2", 0.05, 0.07, 0.11)
    add_outcomes(untrained, BEFORE, GOOD, high, high, high)
    assert fired(judge(untrained)) == []

    add_outcomes(untrained, BEFORE, GOOD, low, low, low)
    triggers = judge(untrained)

    assert fired(triggers) == ["hit_rate"]
    assert "9.0% of users" in triggers["hit_rate"].sentence
    assert "20.0% before" in triggers["hit_rate"].sentence


def test_a_hit_rate_of_few_users_may_fall_by_chance(untrained: House) -> None:
    low = ("2", 0.05, 0.07, 0.09)
    add_outcomes(untrained, BEFORE, BEFORE, low, low, low, users=10)

    assert fired(judge(untrained)) == []


def play(house: House, counts: dict[str, int]) -> None:
    """New listens by genre."""
    for genre, count in counts.items():
        house.marts.listen("Rock-1", [f"{genre}-5"] * count, CUTOFF + timedelta(days=1))


def test_other_genres_than_at_the_training_are_a_drift(untrained: House) -> None:
    play(untrained, dict.fromkeys(TASTES, 100))
    assert "too few to judge drift" in judge(untrained)["drift"].sentence
    play(untrained, dict.fromkeys(TASTES, 100))
    assert fired(judge(untrained)) == []

    play(untrained, {"Jazz": 1600})
    triggers = judge(untrained)

    assert fired(triggers) == ["drift"]
    assert "(most Jazz: 25% then, 75% since)" in triggers["drift"].sentence


def test_a_genre_that_nobody_played_before_is_a_drift(untrained: House) -> None:
    untrained.marts.add_tracks("polka", genre="Polka, Rock")
    play(untrained, dict.fromkeys(TASTES, 200))
    untrained.marts.listen("Rock-1", ["polka"] * 80, CUTOFF + timedelta(days=1))

    triggers = judge(untrained)

    assert fired(triggers) == ["drift"]
    assert "(most Polka: 0% then, 9% since)" in triggers["drift"].sentence


def test_what_fired_is_the_reason_of_the_training(trained: House) -> None:
    assert trained.retrain_if_needed().triggers[0].name == "cooldown"
    later = CUTOFF + timedelta(days=8)
    for taste in TASTES:
        trained.marts.listen(f"{taste}-1", [f"{taste}-2"] * 200, later)
    trained.marts.refresh(later)

    report = trained.retrain_if_needed()

    assert {trigger.name for trigger in report.triggers if trigger.fired} == {
        "new_listens",
        "schedule",
    }
    rows = trained.rows(
        "select reason, detail, status from recommendations.trainings order by started_at"
    )
    assert [row[0] for row in rows] == ["manual", "new_listens"]
    assert "800 listens are new" in rows[1][1]
    assert "the schedule is 7 days" in rows[1][1]
