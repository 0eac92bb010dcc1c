"""The commands of the recommender, as far as nothing else is about them."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from operations.daily_run.run import RunReport
from operations.daily_run.run_summary import print_summary
from recommender.command import list_models, run_recommend, run_retrain, run_rollback
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF
from warehouse.errors import BusyError, RecommenderError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def test_a_calculation_is_a_recorded_run_that_says_what_it_wrote(
    trained: House, capsys: pytest.CaptureFixture[str]
) -> None:
    run_recommend(trained.settings.but(trigger="cron"), date(2026, 3, 2))

    assert capsys.readouterr().out == (
        "242 users have recommendations for 2026-03-02 by version 2 (bm25-k100-binary); tracks "
        "are from: model 4,820, genre_popularity 20.\n"
    )
    assert trained.rows(
        "select command, trigger, runs.status, step, steps.status from ops.runs"
        " inner join ops.steps using (run_id)"
    ) == [("listenhouse recommend", "cron", "succeeded", "recommend", "succeeded")]


def test_lists_that_are_short_are_counted(
    trained: House, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.connection.execute(
        "delete from marts.rpt_track_features where track_id !~ '^(Rock|Jazz)-'"
    )
    trained.connection.execute(
        "update marts.rpt_track_features set is_deleted = track_id ~ 'Jazz-[0-9]'"
    )

    run_recommend(trained.settings, None)

    # 30 Rock tracks are left: who plays Rock has heard 13, the others 1
    assert "60 lists have fewer than 20 tracks: their users have heard the others." in (
        capsys.readouterr().out
    )


def test_a_training_says_what_came_of_it(
    trained: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_retrain(trained.settings, only_if_needed=True, seed=None)
    assert capsys.readouterr().out == (
        "cooldown: not needed. The last training was 0 days of data ago; within 2 days nothing "
        "asks for another. 0 listens are new since the training, 0.0% of those it saw; 20 % are "
        "many.\nNothing was trained.\n"
    )

    assert run_retrain(trained.settings, only_if_needed=False, seed=7)
    assert capsys.readouterr().out == (
        "Trained on 3,841 listens of 241 users as of 2026-03-01 04:00:00 UTC. Version 3 "
        "(bm25-k100-binary) was not promoted. Not surely better than the champion: ndcg@20 "
        "+0.0000 (+0.0000 to +0.0000).\n"
    )
    assert trained.rows("select step from ops.steps order by started_at") == [
        ("triggers",),
        ("retrain",),
    ]

    trained.connection.execute("truncate marts.rpt_user_track_affinities")
    assert not run_retrain(trained.settings, only_if_needed=False, seed=None)
    assert capsys.readouterr().out == (
        "Nothing was trained. Too little to learn from: 0 users who listened, not 50.\n"
    )


def test_a_rollback_asks_and_tells(trained: House, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecommenderError, match="add --yes"):
        run_rollback(trained.settings, "", agreed=False)

    assert run_rollback(trained.settings, "too loud", agreed=True)

    assert capsys.readouterr().out == (
        "Version 1 (popularity) is champion again, in place of version 2 (bm25-k100-binary). "
        "Lists change with the next `listenhouse recommend`.\n"
    )
    assert trained.rows(
        "select decided_by, reason from recommendations.promotions order by decided_at desc limit 1"
    ) == [("manual", "too loud")]


def test_models_are_listed_for_people_and_machines(
    trained: House, capsys: pytest.CaptureFixture[str]
) -> None:
    list_models(trained.settings, as_json=False)
    table = capsys.readouterr().out
    assert "bm25-k100-binary" in table
    assert "previous_champion" in table

    list_models(trained.settings, as_json=True)
    newest, first = json.loads(capsys.readouterr().out)
    assert (newest["version"], newest["aliases"]) == ("2", ["champion"])
    assert (first["candidate"], first["reason"]) == ("popularity", "first champion")


def test_before_any_training_there_is_nothing_to_list(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    list_models(settings, as_json=False)
    assert capsys.readouterr().out == (
        "No model is registered yet: `listenhouse retrain` trains one.\n"
    )


def test_nothing_is_computed_beside_another_run(trained: House) -> None:
    with hold_run_lock(trained.settings):
        for command in (
            lambda: run_recommend(trained.settings, None),
            lambda: run_retrain(trained.settings, only_if_needed=True, seed=None),
            lambda: run_rollback(trained.settings, "", agreed=True),
        ):
            with pytest.raises(BusyError):
                command()


def test_a_run_says_in_a_line_why_it_trained_nothing(
    trained: House, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.marts.listen("Rock-1", ["Rock-2"] * 1_000, CUTOFF + timedelta(days=1))
    trained.marts.refresh(CUTOFF + timedelta(days=1))

    report = RunReport(training=trained.retrain_if_needed())
    print_summary(trained.settings, report)

    said = capsys.readouterr().out
    assert (
        "Nothing was trained. The last training was 1 day of data ago; within 2 days nothing asks "
        "for another. 1,000 listens are new since the training, 26.0% of those it saw; 20 % are "
        "many.\n"
    ) in said
