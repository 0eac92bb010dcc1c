"""Listening events in the star schema: the same play once, late ones where they belong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.dbt_project.events import land, play
from tests.dbt_project.landing import Landing, track
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD, BUILD_LISTENING, LISTENING_TESTS, Warehouse
from warehouse.settings import Settings

LISTENS = (
    "select listens.user_id, listens.track_id, listens.listened_at::text,"
    " tracks.track_name, users.is_inferred"
    " from marts.fct_listens as listens"
    " join marts.dim_tracks as tracks using (track_key)"
    " join marts.dim_users as users using (user_key)"
    " where listens.source_name = 'events' order by 1, 3, 2"
)


def test_events_are_in_the_marts_with_the_next_crawl(
    built: Warehouse, built_landing: Landing, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, external_database_url=built.url)

    # now, and some seconds on, are later than the events that are landed now
    def crawl(changed: int) -> None:
        day = days()[0].having("tracks", track(1, name=f"Name {changed}"), track(2))
        built_landing.crawl(datetime.now(UTC) + timedelta(seconds=10 * changed), day)

    first = "2026-05-20T08:00:00Z"
    land(
        settings,
        play("a", 1, 1, first),
        play("b", 1, 2, first),
        play("c", 4711, 1, first),
        play("d", 1, 3, first, seconds_played=29),
    )
    built.dbt(*BUILD_LISTENING)
    assert built.query(LISTENS) == []

    crawl(1)
    built.dbt(*BUILD)
    of_first = [
        ("1", "1", "2026-05-20 08:00:00", "Name 1", False),
        ("1", "2", "2026-05-20 08:00:00", "Track 2", False),
        ("4711", "1", "2026-05-20 08:00:00", "Name 1", True),
    ]
    assert built.query(LISTENS) == of_first

    # the same play under another id, one that came late, and a user whom the API has since
    land(
        settings,
        play("e", 1, 1, first),
        play("f", 1, 2, "2026-05-19T08:00:00Z"),
        play("g", 2, 1, "2026-05-21T08:00:00+02:00"),
    )
    crawl(2)
    built.dbt(*BUILD_LISTENING)
    built.dbt(*LISTENING_TESTS)
    assert built.query(LISTENS) == [
        ("1", "2", "2026-05-19 08:00:00", "Track 2", False),
        *of_first[:2],
        ("2", "1", "2026-05-21 06:00:00", "Name 1", False),
        *of_first[2:],
    ]
    assert built.query(
        "select user_id, listen_count from marts.rpt_user_features"
        " where source_name = 'events' order by 1"
    ) == [("1", 3), ("2", 1), ("4711", 1)]
    incremental = built.fingerprints()
    built.dbt(*BUILD_LISTENING, "--full-refresh")
    assert built.fingerprints() == incremental

    # what is lost between landing and fact is found
    built.execute("delete from marts.fct_listens where listened_at = '2026-05-19 08:00:00'")
    conservation = "every_event_landed_is_in_the_fact_once"
    assert built.dbt("test", "--select", conservation, check=False).failed == {conservation}
