"""Trainings: what they leave, what they refuse, and what the gate makes of them."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from recommender.also_rans import TRIES
from recommender.command import print_training
from recommender.panel import PANEL, Candidate
from recommender.registry import CHAMPION
from recommender.retrain import TrainingStatus
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF
from warehouse.errors import DatabaseError

# one neighbour that hardly anybody else has
LAGGARD = Candidate("laggard", "ridge", {"weighting": "log", "neighbours": 1, "penalty": 1e9})


def champion(house: House) -> str | None:
    """Version of the champion."""
    found = house.registry().find(CHAMPION)
    return found.number if found else None


def test_the_first_training_makes_popularity_champion_and_then_what_is_better(
    trained: House,
) -> None:
    (training,) = trained.rows(
        """
        select
            source_name, reason, detail, seed, data_cutoff, split_at < data_cutoff, user_count,
            track_count, listen_count, selected_candidate, model_version, status, message,
            ended_at > started_at
        from recommendations.trainings
        """
    )
    assert training == (
        "moovitamix", "manual", None, 1, CUTOFF, True, 241, 120, 3841, "bm25-k100-binary", "2",
        "succeeded", None, True,
    )  # fmt: skip
    promotions = trained.rows(
        "select decision, decided_by, from_version, to_version, reason, lower > 0, data_cutoff"
        " from recommendations.promotions order by decided_at"
    )
    assert promotions[0] == ("promoted", "gate", None, "1", "first champion", None, CUTOFF)
    assert promotions[1][:4] == ("promoted", "gate", "1", "2")
    assert promotions[1][4].startswith("Better than popularity: ndcg@20 +0.")
    assert promotions[1][5] is True


def test_every_contender_is_evaluated_in_every_segment(trained: House) -> None:
    contenders = trained.rows(
        "select role, candidate, model_version, split, count(*) from recommendations.evaluations"
        " where segment = 'all' group by 1, 2, 3, 4 order by 1, 2"
    )
    # nine metrics at two lengths
    assert contenders == [
        ("challenger", "bm25-k100-binary", "2", "test", 18),
        ("champion", "popularity", "1", "test", 18),
        ("panel", "bm25-k100-binary", None, "validation", 18),
        ("panel", "popularity", None, "validation", 18),
        ("popularity", "popularity", None, "test", 18),
    ]
    ndcg = dict(
        trained.rows(
            "select role, value from recommendations.evaluations where split = 'test'"
            " and segment = 'all' and metric = 'ndcg' and cutoff = 20 and lower <= value"
            " and value <= upper"
        )
    )
    assert ndcg["challenger"] > ndcg["champion"] == ndcg["popularity"]
    assert {segment for (segment,) in trained.rows(
        "select distinct segment from recommendations.evaluations"
    )} >= {"all", "heavy"}  # fmt: skip


def test_similar_tracks_are_those_of_the_same_taste(trained: House) -> None:
    rows = trained.rows(
        "select track_id, rank, similar_track_id, score from recommendations.similar_tracks"
        " where track_id = 'Funk-5' order by rank"
    )
    assert [rank for _, rank, _, _ in rows] == list(range(1, 21))
    assert all(similar.startswith("Funk-") for _, _, similar, _ in rows[:10])
    scores = [score for *_, score in rows]
    assert scores == sorted(scores, reverse=True)
    assert trained.rows(
        "select count(distinct track_id), count(*) from recommendations.similar_tracks"
        " where training_id = (select training_id from recommendations.trainings)"
    ) == [(120, 2400)]


def test_the_same_data_with_another_seed_is_no_reason_to_promote(trained: House) -> None:
    report = trained.retrain(seed=2)

    assert report.decision is not None
    assert (report.decision.promote, report.decision.difference) == (False, 0)
    assert champion(trained) == "2"
    (last,) = trained.rows(
        "select decision, from_version, to_version, reason from recommendations.promotions"
        " order by decided_at desc limit 1"
    )
    assert last[:3] == ("refused", "2", "3")
    assert last[3].startswith("Not surely better than the champion")
    assert trained.rows("select seed from recommendations.trainings order by started_at") == [
        (1,),
        (2,),
    ]


def test_a_champion_is_judged_as_it_is_when_it_has_not_seen_the_test(trained: House) -> None:
    # a taste that the champion does not know: fitted anew it would
    generator = random.Random(8)  # noqa: S311 (no secret)
    trained.marts.add_tracks(*(f"Polka-{track}" for track in range(40)))
    users = [f"Polka-{user}" for user in range(220)]
    trained.marts.add_users(*users)
    for user in users:
        for day, track in enumerate(generator.sample(range(40), 20), start=1):
            trained.marts.listen(user, [f"Polka-{track}"], CUTOFF + timedelta(days=day))
    trained.marts.refresh(CUTOFF + timedelta(days=20))

    report = trained.retrain()

    assert report.decision is not None
    assert report.decision.promote
    assert champion(trained) == "3"
    (values,) = trained.rows(
        """
        select
            max(value) filter (where role = 'challenger'),
            max(value) filter (where role = 'champion')
        from recommendations.evaluations
        where model_version is not null
            and split = 'test'
            and segment = 'all'
            and metric = 'ndcg'
            and cutoff = 20
            and training_id <> (
                select training_id from recommendations.trainings order by started_at limit 1
            )
        """
    )
    assert values[0] > 1.5 * values[1]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            "insert into marts.rpt_user_track_affinities values ('moovitamix', 'who', 'Jazz-1', 1)",
            "1 rows of marts.rpt_user_track_affinities name users or tracks",
        ),
        (
            "delete from marts.rpt_user_track_affinities where user_id !~ '^Funk-[0-3]'",
            "Too little to learn from: 34 users who listened, not 50.",
        ),
        (
            "update marts.rpt_track_features set is_deleted = track_id !~ '^Funk'",
            "Too little to learn from: 30 tracks to recommend, not 50.",
        ),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(
    trained: House, damage: str, reason: str
) -> None:
    trained.connection.execute(damage.encode())

    report = trained.retrain()

    assert report.status is TrainingStatus.REFUSED
    assert report.refusal is not None
    assert report.refusal.startswith(reason)
    (last,) = trained.rows(
        "select status, message, model_version from recommendations.trainings"
        " order by started_at desc limit 1"
    )
    assert last == ("refused", report.refusal, None)
    assert len(trained.registry().versions()) == 2


def test_a_training_that_died_is_marked_by_the_next(trained: House) -> None:
    trained.connection.execute(
        "insert into recommendations.trainings (training_id, source_name, reason, seed, status,"
        " code_version, started_at) values (gen_random_uuid(), 'moovitamix', 'drift', 1,"
        " 'running', '0', now() - interval '1 day')"
    )
    trained.connection.execute("truncate marts.rpt_user_track_affinities")

    trained.retrain()

    assert trained.rows("select status from recommendations.trainings order by data_cutoff, 1") == [
        ("refused",),
        ("succeeded",),
        ("died",),
    ]


def test_a_training_that_fails_says_so_and_changes_nothing(trained: House) -> None:
    similar = trained.rows("select * from recommendations.similar_tracks order by track_id, rank")
    trained.connection.execute(
        """
        create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'the disk is full'; end $$;
        create trigger refuse before insert on recommendations.similar_tracks
        for each row execute function refuse();
        """
    )

    with pytest.raises(DatabaseError, match="the disk is full"):
        trained.retrain()

    (last,) = trained.rows(
        "select status, message, ended_at is not null from recommendations.trainings"
        " order by started_at desc limit 1"
    )
    assert last[0] == "failed"
    assert last[1].startswith("the disk is full")
    assert last[2]
    assert champion(trained) == "2"
    assert trained.rows("select count(*) from recommendations.promotions") == [(2,)]
    again = trained.rows("select * from recommendations.similar_tracks order by track_id, rank")
    assert again == similar


def test_a_broken_champion_is_replaced_before_the_gate_decides(trained: House) -> None:
    for path in trained.artifacts():
        path.unlink()

    report = trained.retrain()

    assert report.decision is not None
    assert report.decision.promote
    assert trained.rows(
        "select decision, from_version, to_version from recommendations.promotions"
        " order by decided_at offset 2"
    ) == [("fell_back", "2", None), ("promoted", None, "3"), ("promoted", "3", "4")]
    assert champion(trained) == "4"


def test_a_candidate_that_always_lagged_is_left_out_for_a_while(
    trained: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recommender.retrain.PANEL", (*PANEL[:2], LAGGARD))
    seen = []
    for _ in range(TRIES + 2):
        report = trained.retrain()
        seen.append(report.left_out)
    assert seen == [()] * TRIES + [(LAGGARD.name,)] * 2
    print_training(report)
    sentence = "Not tried: laggard; in the last 3 trainings that tried them they did not reach 85%"
    assert sentence in capsys.readouterr().out
    rows = trained.rows(
        "select message from recommendations.trainings order by started_at desc limit 1"
    )
    assert rows[0][0].startswith(sentence)

    monkeypatch.setattr("recommender.also_rans.REMEMBERED", TRIES)
    # the trainings that are remembered tried it once: once is not always
    assert trained.retrain().left_out == ()
