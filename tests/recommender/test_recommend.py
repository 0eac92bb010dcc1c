"""The lists of a day: whom they are for, where they are from, and that they are whole."""

from __future__ import annotations

import signal
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from recommender import recommend as recommending
from recommender.registry import CHAMPION
from tests.commands import start_command
from tests.recommender.conftest import House
from tests.recommender.marts import CUTOFF
from warehouse.errors import DatabaseError
from warehouse.settings import ListRules

TODAY, TOMORROW = CUTOFF.date(), CUTOFF.date() + timedelta(days=1)
TABLES = ("recommendations", "popularity_shadow", "popular_tracks", "batches")


def lists(house: House, day: date = TODAY) -> dict[str, list[tuple[str, str]]]:
    """Track and source of each place, by user."""
    found = defaultdict(list)
    for user_id, track_id, source in house.rows(
        "select user_id, track_id, source from recommendations.recommendations"
        " where for_date = %s order by user_id, rank",
        day,
    ):
        found[user_id].append((track_id, source))
    return dict(found)


def counts(house: House) -> list[tuple[str, date, int]]:
    """Rows by table and day."""
    return [
        (table, *row)
        for table in TABLES
        for row in house.connection.execute(
            f"select for_date, count(*) from recommendations.{table} group by 1 order by 1"
        )
    ]


def rows_of(house: House, generation: str = "") -> dict[str, list[tuple[object, ...]]]:
    """The rows of today of every table, but for the times that not all of them have."""
    return {
        table: house.connection.execute(
            f"select (to_jsonb(t) - 'generated_at')::text from recommendations.{generation}{table}"
            " as t where for_date = %s order by 1".encode(),
            (TODAY,),
        ).fetchall()
        for table in TABLES
    }


def test_every_active_user_has_20_distinct_unheard_tracks_that_exist(
    trained: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the last batch is not full
    monkeypatch.setattr(recommending, "BATCH_USERS", 100)
    execute = trained.connection.execute
    execute("update marts.rpt_user_features set is_deleted = true where user_id = 'Funk-7'")
    execute("update marts.rpt_track_features set is_deleted = true where track_id = 'Rock-4'")
    execute("update marts.rpt_track_features set is_inferred = true where track_id = 'Jazz-9'")

    report = trained.recommend()

    assert (report.user_count, report.short_list_count) == (241, 0)
    active = {user for (user,) in trained.rows("select user_id from marts.rpt_user_features")}
    listed = lists(trained)
    assert set(listed) == active - {"Funk-7"}
    assert {len({track for track, _ in places}) for places in listed.values()} == {20}
    heard = set(trained.rows("select user_id, track_id from marts.fct_listens"))
    named = {(user, track) for user, places in listed.items() for track, _ in places}
    assert not named & heard
    assert not {track for _, track in named} & {"Rock-4", "Jazz-9"}
    ranks = trained.rows("select distinct rank from recommendations.recommendations order by 1")
    assert [rank for (rank,) in ranks] == list(range(1, 21))
    # who plays Rock is recommended Rock before anything else
    assert all(track.startswith("Rock") for track, _ in listed["Rock-1"][:10])


def test_each_track_says_where_it_is_from(trained: House) -> None:
    # known by what was listened to after the training
    trained.marts.add_users("late", "silent")
    trained.marts.listen("late", ["Jazz-1", "Jazz-2", "Jazz-3"], CUTOFF + timedelta(hours=20))
    trained.marts.refresh(CUTOFF + timedelta(days=1))

    report = trained.recommend()

    listed = lists(trained, TOMORROW)
    sources = {user: {source for _, source in places} for user, places in listed.items()}
    assert sources["Rock-1"] == {"model"}
    assert sources["new"] == {"genre_popularity"}
    assert "model" in sources["shy"]
    assert sources["silent"] == {"popularity"}
    assert listed["late"][0][1] == "fold_in"
    assert listed["late"][0][0].startswith("Jazz")
    assert sum(report.counts.values()) == 20 * 244
    versions = trained.rows(
        "select source, model_version, count(*) from recommendations.recommendations"
        " group by 1, 2 order by 1, 2"
    )
    assert {(source, version) for source, version, _ in versions} == {
        ("fold_in", "2"),
        ("genre_popularity", None),
        ("model", "2"),
        ("popularity", None),
    }
    assert {source: count for source, _, count in versions} == report.counts


def test_each_track_of_the_model_says_which_played_tracks_led_to_it(trained: House) -> None:
    # as an earlier version left the tables
    for table in ("recommendations", "superseded_recommendations"):
        trained.connection.execute(
            f"alter table recommendations.{table} drop column because".encode()
        )
    trained.recommend()
    assert trained.rows(
        """
        select source, cardinality(because), count(*) > 0
        from recommendations.recommendations
        group by 1, 2
        order by 1, 2
        """
    ) == [("genre_popularity", None, True), ("model", 1, True), ("model", 2, True)]
    unplayed = """
        select count(*)
        from recommendations.recommendations as listed, unnest(because) as reason
        where not exists (
            select from marts.fct_listens where user_id = listed.user_id and track_id = reason
        )
    """
    assert trained.rows(unplayed) == [(0,)]
    # what everybody plays says less of a taste than its own tracks
    assert trained.rows(
        "select count(*) > 100, count(*) filter (where because[1] like 'Rock-%%') = count(*)"
        " from recommendations.recommendations where user_id like 'Rock-%%' and rank <= 10"
    ) == [(True, True)]


def test_the_shadow_and_the_popular_tracks_are_what_most_listen_to(trained: House) -> None:
    trained.recommend()

    popular = trained.rows(
        "select rank, track_id, listener_count from recommendations.popular_tracks order by rank"
    )
    expected = trained.rows(
        """
        select
            row_number() over (order by count(distinct user_id) desc, track_id collate "C"),
            track_id,
            count(distinct user_id)
        from marts.fct_listens
        group by track_id
        order by 1
        limit 100
        """
    )
    assert popular == expected
    # all have heard the first of each taste; `new` has heard nothing
    shadow = trained.rows(
        "select track_id from recommendations.popularity_shadow where user_id = 'new' order by rank"
    )
    assert shadow == [(track,) for _, track, _ in popular[:20]]
    heard = set(trained.rows("select user_id, track_id from marts.fct_listens"))
    pairs = trained.rows("select user_id, track_id from recommendations.popularity_shadow")
    assert len(pairs) == len(set(pairs) - heard) == 20 * 242


def test_a_batch_says_what_it_is_made_of(trained: House) -> None:
    report = trained.recommend(for_date=date(2026, 4, 1))

    (batch,) = trained.rows("select * from recommendations.batches")
    assert batch[:7] == (date(2026, 4, 1), "moovitamix", "2", 242, 20, 0, CUTOFF)
    cutoffs = trained.rows(
        "select distinct for_date, data_cutoff, generated_at from recommendations.recommendations"
    )
    assert cutoffs == [(date(2026, 4, 1), CUTOFF, batch[7])]
    assert report.model == "version 2 (bm25-k100-binary)"


def test_without_a_model_everybody_gets_what_is_popular(untrained: House) -> None:
    report = untrained.recommend()

    assert report.model is None
    assert report.counts == {"popularity": 20 * 241, "genre_popularity": 20}
    assert untrained.rows("select model_version from recommendations.batches") == [(None,)]


def test_a_day_computed_again_is_replaced_and_others_stay(trained: House) -> None:
    trained.recommend()
    trained.recommend(for_date=TOMORROW)
    before, of_today = counts(trained), lists(trained)
    trained.marts.listen("Rock-1", [of_today["Rock-1"][0][0]], CUTOFF + timedelta(days=1))
    trained.marts.refresh(CUTOFF + timedelta(days=1))

    trained.recommend()

    assert counts(trained) == before
    assert lists(trained) == of_today
    assert of_today["Rock-1"][0] not in lists(trained, TOMORROW)["Rock-1"]


def test_lists_that_were_served_are_kept_when_the_day_gets_others(trained: House) -> None:
    trained.recommend()
    trained.recommend(for_date=TOMORROW)
    before, of_today = counts(trained), lists(trained)
    # of a version that replaced them, and of a clock that was put back since
    for table in TABLES:
        trained.connection.execute(f"drop table recommendations.superseded_{table}".encode())
    for table in ("batches", "recommendations"):
        trained.connection.execute(
            f"update recommendations.{table} set generated_at = '2999-01-01 00:00Z'".encode()
        )
    served = rows_of(trained)
    trained.marts.listen("Rock-1", [of_today["Rock-1"][0][0]], CUTOFF + timedelta(hours=1))
    trained.marts.refresh(CUTOFF + timedelta(hours=1))

    report = trained.recommend()

    assert report.same_since is None
    assert counts(trained) == before
    assert of_today["Rock-1"][0] not in lists(trained)["Rock-1"]
    assert rows_of(trained, "superseded_") == served
    times = trained.rows("select generated_at from recommendations.batches order by for_date")
    assert times == [
        (datetime(2999, 1, 1, microsecond=1, tzinfo=UTC),),
        (datetime(2999, 1, 1, tzinfo=UTC),),
    ]
    assert trained.rows(
        "select distinct generated_at from recommendations.recommendations where for_date = %s",
        TODAY,
    ) == [times[0]]

    of_now = rows_of(trained)
    report = trained.recommend()
    assert [report.same_since] == [time for (time,) in times[:1]]
    assert rows_of(trained) == of_now
    assert rows_of(trained, "superseded_") == served


def test_lists_end_where_the_catalogue_does(trained: House) -> None:
    trained.connection.execute(
        "delete from marts.rpt_track_features where track_id !~ '^(Rock|Jazz)-1?[0-9]$'"
    )
    trained.marts.refresh(CUTOFF)
    (available,) = trained.rows("select count(*) from marts.rpt_track_features")[0]
    assert available == 40

    report = trained.recommend()

    listed = lists(trained)
    heard = defaultdict(set)
    for user, track in trained.rows(
        "select distinct user_id, track_id from marts.fct_listens"
        " inner join marts.rpt_track_features using (track_id)"
    ):
        heard[user].add(track)
    assert {user: len(places) for user, places in listed.items()} == {
        user: min(20, available - len(heard[user])) for user in listed
    }
    trained.connection.execute(
        "delete from marts.rpt_track_features where track_id !~ '^(Rock|Jazz)-1?[0-5]$'"
    )
    report = trained.recommend()
    short = [places for places in lists(trained).values() if len(places) < 20]
    assert 0 < report.short_list_count == len(short)
    assert trained.rows("select short_list_count from recommendations.batches") == [(len(short),)]


def test_a_broken_champion_is_replaced_and_the_lists_are_there(trained: House) -> None:
    champion = trained.registry().find(CHAMPION)
    assert champion is not None
    for path in trained.artifacts():
        if path.stem == champion.sha256:
            path.write_bytes(path.read_bytes()[:-1])

    report = trained.recommend()

    assert report.model == "version 1 (popularity)"
    assert {len(places) for places in lists(trained).values()} == {20}
    assert trained.rows("select model_version from recommendations.batches") == [("1",)]


def test_marts_that_are_not_there_are_said_to_be_missing(trained: House) -> None:
    trained.recommend()
    before = counts(trained)
    trained.connection.execute("drop schema marts cascade")

    with pytest.raises(DatabaseError, match="dbt build"):
        trained.recommend()

    assert counts(trained) == before


def test_killed_in_the_middle_the_day_is_as_it_was(trained: House, tmp_path: Path) -> None:
    trained.recommend()
    before, of_today = counts(trained), lists(trained)
    trained.marts.listen("Rock-1", [of_today["Rock-1"][0][0]], CUTOFF + timedelta(hours=1))
    trained.marts.refresh(CUTOFF + timedelta(hours=1))
    environment = {
        "LISTENHOUSE_DATABASE_URL": trained.settings.database_url,
        "LISTENHOUSE_HOME": str(trained.settings.home),
    }
    with psycopg.connect(trained.settings.database_url) as connection:
        # the lists are written, their shadow has to wait
        connection.execute("lock table recommendations.popularity_shadow in exclusive mode")
        process = start_command(
            *("listenhouse", "recommend"), environment=environment, folder=tmp_path
        )
        while not trained.rows("select from pg_locks where not granted"):
            assert process.is_alive()
        process.kill()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert (counts(trained), lists(trained)) == (before, of_today)
    # the server notices in its own time that nobody is there
    while trained.rows("select from pg_locks where locktype = 'advisory'"):
        pass

    trained.recommend()

    assert counts(trained) == before
    assert of_today["Rock-1"][0] not in lists(trained)["Rock-1"]


def test_no_list_has_more_tracks_of_an_artist_than_the_settings_allow(trained: House) -> None:
    # three tracks of a taste are of one artist
    trained.connection.execute(
        "update marts.rpt_track_features set artist_key = md5("
        " split_part(track_id, '-', 1) || split_part(track_id, '-', 2)::int / 3)::uuid"
    )
    most = """
        select max(tracks), max(top_tracks)
        from (
            select count(*) as tracks, count(*) filter (where rank <= 10) as top_tracks
            from recommendations.recommendations
            inner join marts.rpt_track_features using (source_name, track_id)
            group by user_id, artist_key
        ) as by_artist
    """
    trained.recommend()
    assert trained.rows(most) == [(3, 2)]
    rules = ListRules(top_tracks_per_artist=1, tracks_per_artist=2)
    replace(trained, settings=trained.settings.but(lists=rules)).recommend()
    assert trained.rows(most) == [(2, 1)]
