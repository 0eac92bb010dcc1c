"""Real mutants before a real judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import empty_database
from tests.dbt_project.warehouse_build import BUILD_LISTENING
from tools.mutation.judge import Judge, all_mutants, sql_files, template, users_of
from tools.mutation.mutators import Mutant
from tools.mutation.reasons import read_reasons
from warehouse.settings import PROJECT_ROOT


@pytest.fixture(scope="module")
def judge(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    folder = tmp_path_factory.mktemp("mutation")
    # untested, as other tests of the suite do that
    with (
        template(postgres_server, folder / "template", *BUILD_LISTENING),
        empty_database(postgres_server, "judge"),
    ):
        yield Judge(postgres_server, folder / "judge")


def mutant(model: str, old: str, new: str) -> Mutant:
    text = sql_files(PROJECT_ROOT)[model].read_text()
    assert text.count(old) == 1
    return Mutant(model, f"{old} → {new}", text.replace(old, new))


def test_unit_tests_judge_each_model_for_itself(judge: Judge) -> None:
    verdicts = judge.unit_tests(
        [
            mutant("int_users_inferred", "where user_id is not null", ""),
            mutant("int_tracks_inferred", "min(valid_from)", "least(min(valid_from))"),
            mutant("dim_artists", "min(first_observed_at)", "min(no_column)"),
        ]
    )
    assert [verdict.outcome for verdict in verdicts] == ["killed", "survived", "invalid"]
    assert verdicts[0].killer.startswith("users_without_a_record_are_inferred: ")


def test_data_tests_judge_all_that_depends_on_a_model(judge: Judge) -> None:
    join = "inner join track_genres"
    lost = mutant("rpt_daily_genre_listens", join, "cross join (select 1) as x join track_genres")
    verdict = judge.data_tests(lost)
    assert (verdict.outcome, verdict.changes_marts) == ("survived", False)
    lost = mutant("rpt_daily_genre_listens", "count(*)", "count(*) + 1")
    verdict = judge.data_tests(lost)
    assert (verdict.outcome, verdict.changes_marts) == ("killed", True)
    assert verdict.killer.startswith("daily_reports_add_up_to_the_fact: ")


def test_the_copy_is_put_back_after_each(judge: Judge) -> None:
    for name, file in sql_files(PROJECT_ROOT).items():
        assert judge.files[name].read_text() == file.read_text()


def test_macros_are_judged_by_the_models_that_use_them() -> None:
    users = users_of("duration_to_seconds", sql_files(PROJECT_ROOT))
    assert users == ["int_tracks_versioned"]
    assert "stg_moovitamix__users" in users_of("to_utc", sql_files(PROJECT_ROOT))


def test_every_model_can_be_read_and_every_reason_is_of_a_mutant() -> None:
    mutants = all_mutants()
    assert set(mutants) >= {name for name in sql_files(PROJECT_ROOT) if name.startswith("rpt_")}
    known = {(model, one.identity) for model, each in mutants.items() for one in each}
    assert set(read_reasons()) <= known
