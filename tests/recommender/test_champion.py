"""Who is champion, whatever happens to the files, the aliases and the process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from recommender.champion import apply_decision, load_champion, plan_rollback, reconcile, roll_back
from recommender.gate import Decision
from recommender.panel import POPULARITY
from recommender.registry import CHALLENGER, CHAMPION, PREVIOUS_CHAMPION, Registry, Version
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF
from warehouse.errors import RecommenderError

BETTER = Decision(True, "Better.", 0.02, 0.01, 0.03, 240)
WORSE = Decision(False, "Worse.", -0.02, -0.03, -0.01, 240)


def register(registry: Registry) -> Version:
    """A further version, registered as challenger."""
    champion = registry.find(CHAMPION)
    assert champion is not None
    loaded = registry.load(champion)
    version = registry.register(
        loaded.model,
        champion.candidate,
        # other content, another file
        loaded.track_ids + f"-{len(registry.versions())}",
        champion.training_id,
        CUTOFF + timedelta(days=1),
    )
    registry.point(CHALLENGER, version)
    return version


def aliases(registry: Registry) -> dict[str, str]:
    """Version by alias."""
    return {alias: version.number for version in registry.versions() for alias in version.aliases}


def decisions(house: House) -> list[tuple[Any, ...]]:
    """What was decided, from which version to which."""
    return house.rows(
        "select decision, from_version, to_version from recommendations.promotions"
        " order by decided_at"
    )


FIRST = [("promoted", None, "1"), ("promoted", "1", "2")]


def test_the_gate_promotes_and_refuses(trained: House) -> None:
    registry = trained.registry()
    assert aliases(registry) == {CHAMPION: "2", PREVIOUS_CHAMPION: "1"}

    apply_decision(registry, trained.connection, register(registry), WORSE)
    reconcile(registry, trained.connection)
    assert aliases(registry) == {CHAMPION: "2", PREVIOUS_CHAMPION: "1", CHALLENGER: "3"}

    apply_decision(registry, trained.connection, register(registry), BETTER)
    assert aliases(registry) == {CHAMPION: "4", PREVIOUS_CHAMPION: "2"}
    assert decisions(trained) == [*FIRST, ("refused", "2", "3"), ("promoted", "2", "4")]
    (last,) = trained.rows(
        "select decided_by, reason, metric, difference, lower, upper, user_count, data_cutoff"
        " from recommendations.promotions order by decided_at desc limit 1"
    )
    assert last == (
        "gate", "Better.", "ndcg@20", 0.02, 0.01, 0.03, 240, CUTOFF + timedelta(days=1),
    )  # fmt: skip


def test_a_rollback_puts_the_previous_champion_back_and_a_second_undoes_it(trained: House) -> None:
    registry = trained.registry()

    roll_back(registry, trained.connection, plan_rollback(registry), "ada", "too loud")
    assert aliases(registry) == {CHAMPION: "1", PREVIOUS_CHAMPION: "2"}

    roll_back(registry, trained.connection, plan_rollback(registry), "ada", "not that loud")
    assert aliases(registry) == {CHAMPION: "2", PREVIOUS_CHAMPION: "1"}
    assert decisions(trained) == [*FIRST, ("rolled_back", "2", "1"), ("rolled_back", "1", "2")]


def test_nothing_is_rolled_back_to_nothing_or_to_a_broken_file(
    trained: House,
) -> None:
    registry = trained.registry()
    break_artifact(trained, registry, "1")
    with pytest.raises(RecommenderError, match=r"version 1 \(popularity\), cannot be restored"):
        plan_rollback(registry)

    registry.remove(PREVIOUS_CHAMPION)
    with pytest.raises(RecommenderError, match="no previous champion"):
        plan_rollback(registry)
    assert aliases(registry) == {CHAMPION: "2"}


def break_artifact(house: House, registry: Registry, number: str) -> None:
    """Cuts a model's file in half."""
    (version,) = (version for version in registry.versions() if version.number == number)
    (path,) = (path for path in house.artifacts() if path.stem == version.sha256)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_previous_champion_takes_the_place_of_a_broken_one(
    trained: House, caplog: pytest.LogCaptureFixture
) -> None:
    registry = trained.registry()
    break_artifact(trained, registry, "2")

    champion = load_champion(registry, trained.connection)

    assert champion is not None
    assert champion.version.number == "1"
    assert champion.model.kind == POPULARITY.kind
    assert aliases(registry) == {CHAMPION: "1", PREVIOUS_CHAMPION: "2"}
    assert decisions(trained) == [*FIRST, ("fell_back", "2", "1")]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    # the next day is like any other
    assert load_champion(registry, trained.connection) is not None
    assert len(decisions(trained)) == 3


@pytest.mark.parametrize("successor", ["1", None])
def test_a_champion_whose_file_is_back_is_champion_again(
    trained: House, successor: str | None
) -> None:
    registry = trained.registry()
    files = {path: path.read_bytes() for path in trained.artifacts()}
    break_artifact(trained, registry, "2")
    if successor is None:
        break_artifact(trained, registry, "1")
    for _ in range(2):
        load_champion(registry, trained.connection)
    for path, content in files.items():
        path.write_bytes(content)

    for _ in range(2):
        champion = load_champion(registry, trained.connection)
        assert champion is not None
        assert champion.version.number == "2"

    assert aliases(registry) == {CHAMPION: "2", PREVIOUS_CHAMPION: "1"}
    # the last decision is what the finding reads
    assert decisions(trained)[-1] == ("restored", successor or "2", "2")
    assert [decision for decision, _, _ in decisions(trained)].count("restored") == 1
    reconcile(registry, trained.connection)
    assert decisions(trained)[-1][0] == "restored"


def test_without_a_whole_file_there_is_no_champion_each_day_anew(
    trained: House, caplog: pytest.LogCaptureFixture
) -> None:
    registry = trained.registry()
    for path in trained.artifacts():
        path.unlink()

    for _ in range(2):
        assert load_champion(registry, trained.connection) is None

    assert aliases(registry) == {CHAMPION: "2", PREVIOUS_CHAMPION: "1"}
    assert decisions(trained) == [*FIRST, *[("fell_back", "2", None)] * 2]
    assert "ERROR" in [record.levelname for record in caplog.records]
    reconcile(registry, trained.connection)
    assert len(decisions(trained)) == 4


class DiedError(Exception):
    """In place of a kill."""


def test_a_promotion_that_died_half_way_is_completed_by_the_next_command(
    trained: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = trained.registry()
    point = Registry.point

    def die_behind_the_champion(self: Registry, alias: str, version: Version) -> None:
        point(self, alias, version)
        if alias == CHAMPION:
            raise DiedError

    challenger = register(registry)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "point", die_behind_the_champion)
        with pytest.raises(DiedError):
            apply_decision(registry, trained.connection, challenger, BETTER)
    assert aliases(registry) == {CHAMPION: "3", CHALLENGER: "3", PREVIOUS_CHAMPION: "1"}

    reconcile(registry, trained.connection)

    assert aliases(registry) == {CHAMPION: "3", PREVIOUS_CHAMPION: "2"}
    assert decisions(trained) == [*FIRST, ("reconciled", "2", "3")]
    reconcile(registry, trained.connection)
    assert len(decisions(trained)) == 3


def test_a_promotion_whose_row_is_missing_is_written_down(
    trained: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = trained.registry()

    def die(*_: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr("recommender.champion._record", die)
        with pytest.raises(DiedError):
            roll_back(registry, trained.connection, plan_rollback(registry), "ada", "why not")

    reconcile(registry, trained.connection)

    assert aliases(registry) == {CHAMPION: "1", PREVIOUS_CHAMPION: "2"}
    assert decisions(trained) == [*FIRST, ("reconciled", "2", "1")]


def test_the_very_first_champion_can_be_reconciled_too(trained: House) -> None:
    registry = trained.registry()
    trained.connection.execute("delete from recommendations.promotions")

    reconcile(registry, trained.connection)

    assert decisions(trained) == [("reconciled", None, "2")]
