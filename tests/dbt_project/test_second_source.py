"""A second source in the same star schema, and the first as if it were alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from monitoring.listening_page.data import read_listening
from tests.dbt_project.landing import Landing
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD, BUILD_LISTENING, LISTENING_TESTS, Warehouse
from tests.ingestion.spotify_export import EXAMPLE, account_data, import_export
from warehouse.settings import Settings

LISTENS = (
    "select tracks.track_name, tracks.artist_name, users.user_id, listens.listened_at::text,"
    " listens.listened_at_source, listens.occurrence"
    " from marts.fct_listens as listens"
    " join marts.dim_tracks as tracks using (track_key)"
    " join marts.dim_users as users using (user_key)"
    " where listens.source_name = 'spotify' order by listens.listened_at, tracks.track_name"
)


def a_little_later() -> datetime:
    """When a crawl after an import is, which is of now, and before the next one of either."""
    return datetime.now(UTC) + timedelta(seconds=10)


def moovitamix(warehouse: Warehouse) -> list[list[tuple[object, ...]]]:
    """The star of the first source."""
    return [
        warehouse.query(f"select * from marts.{table} where source_name = 'moovitamix' order by 1")
        for table in ("fct_listens", "dim_users", "dim_tracks", "dim_artists", "dim_albums")
    ]


LIGHTHOUSE = "spotify:track:4cOdK2wGLETKBW3PvgPWqT"


def assert_the_extended_history_supersedes(
    built: Warehouse, landing: Landing, settings: Settings, folder: Path, first: dict[str, object]
) -> None:
    """It came later, and tells what the account data told, and an id.

    Whoever imports them the other way round has the same listens.
    """
    extended = folder / "Streaming_History_Audio_2026_1.json"
    told = first | {"ts": "2026-02-01T10:00:07Z", "ms_played": 40_000}
    tape = told | {
        "ts": "2026-02-03T10:00:00Z",
        "spotify_track_uri": "spotify:track:8",
        "master_metadata_track_name": "home tape",
        "master_metadata_album_artist_name": "Marisol Quay",
    }
    extended.write_text(json.dumps([told, tape]))
    import_export(settings, extended)
    for export in (
        extended,
        folder / "Streaming_History_Audio_2024-2026_0.json",
        EXAMPLE,
        account_data(folder),
    ):
        import_export(settings, export, "you")
    landing.crawl(a_little_later(), days()[0])
    built.dbt(*BUILD_LISTENING)
    of_user = "select track_id, listened_at::text from marts.fct_listens where user_id = '{}'"
    mine = sorted(built.query(of_user.format("me")))
    assert mine == sorted(built.query(of_user.format("you")))
    assert [row for row in mine if row[1] >= "2026-02"] == [
        (LIGHTHOUSE, "2026-02-01 10:00:07"),
        ("spotify:track:8", "2026-02-02 11:00:00"),
        ("spotify:track:8", "2026-02-03 10:00:00"),
    ]
    assert len(mine) == 10
    for table in ("dim_tracks", "rpt_user_track_affinities", "rpt_daily_track_listens"):
        named = f"select count(*) from marts.{table} where track_id like 'spotify:names:%'"
        assert built.query(named) == [(0,)]


def test_an_export_is_in_the_marts_with_the_next_crawl_and_changes_no_other_row(
    built: Warehouse, built_landing: Landing, tmp_path: Path
) -> None:
    alone = moovitamix(built)
    settings = Settings(home=tmp_path / "home", external_database_url=built.url)
    import_export(settings, account_data(tmp_path))
    import_export(settings, EXAMPLE)
    built.dbt(*BUILD_LISTENING)
    assert built.query(LISTENS) == []
    assert moovitamix(built) == alone

    built_landing.crawl(a_little_later(), days()[0])
    built.dbt(*BUILD)
    lighthouse = ("Lighthouse", "The Harbour Lamps", "me")
    assert built.query(LISTENS) == [
        (*lighthouse, "2024-01-06 08:15:02", "played_at", 1),
        ("Slow Train North", "Marisol Quay", "me", "2024-01-06 08:18:40", "played_at", 1),
        (*lighthouse, "2024-01-07 21:40:00", "played_at", 1),
        ("Winter Garden", "The Harbour Lamps", "me", "2025-03-14 19:05:33", "played_at", 1),
        (*lighthouse, "2025-03-15 07:30:10", "played_at", 1),
        # by the account data alone: to the minute
        (*lighthouse, "2026-02-01 10:00:00", "played_at", 1),
        ("Home Tape", "Marisol Quay", "me", "2026-02-02 11:00:00", "played_at", 1),
    ]
    assert moovitamix(built) == alone
    assert built.query(
        "select listen_count, track_id from marts.rpt_user_track_affinities"
        " where source_name = 'spotify' order by listen_count desc limit 1"
    ) == [(4, LIGHTHOUSE)]

    # asked for again: all of it, with more detail, a track at a moment known, and a new play
    first, *others = [
        event for file in sorted(EXAMPLE.iterdir()) for event in json.loads(file.read_text())
    ]
    again = tmp_path / "Streaming_History_Audio_2024-2026_0.json"
    beside = first | {"spotify_track_uri": "spotify:track:9", "ms_played": 30_000}
    new = first | {"ts": "2026-01-01T10:00:00Z"}
    told_more = first | {"offline_timestamp": 1}
    again.write_text(json.dumps([told_more, *others, beside, new]))
    import_export(settings, again)
    built_landing.crawl(a_little_later(), days()[0])
    built.dbt(*BUILD_LISTENING)
    built.dbt(*LISTENING_TESTS)
    assert [row[3] for row in built.query(LISTENS)] == [
        "2024-01-06 08:15:02",
        "2024-01-06 08:15:02",
        "2024-01-06 08:18:40",
        "2024-01-07 21:40:00",
        "2025-03-14 19:05:33",
        "2025-03-15 07:30:10",
        "2026-01-01 10:00:00",
        "2026-02-01 10:00:00",
        "2026-02-02 11:00:00",
    ]
    assert moovitamix(built) == alone
    incremental = built.fingerprints()
    built.dbt(*BUILD_LISTENING, "--full-refresh")
    assert built.fingerprints() == incremental

    # a model alone takes nothing away that others read
    streams = "int_spotify_streams_identified"
    built.dbt("build", "--select", streams, "--exclude-resource-type", "unit_test")
    built.dbt("build", "--select", "fct_listens", "--exclude-resource-type", "test", "unit_test")
    assert built.fingerprints() == incremental

    # what was played at a known time is in the hours of the dashboard
    with psycopg.connect(built.url, autocommit=True) as connection:
        data = read_listening(connection, "marts")
    ((played, timed, every),) = built.query(
        """
        select
            count(*) filter (where source_name = 'spotify'),
            count(*) filter (where listened_at_source <> 'first_observed_at'),
            count(*)
        from marts.fct_listens
        """
    )
    assert (data.timed_count, data.listen_count) == (timed, every)
    assert 0 < sum(data.hours[0][-1] or []) == played < timed

    assert_the_extended_history_supersedes(built, built_landing, settings, tmp_path, first)
    assert moovitamix(built) == alone

    # what is lost between landing and fact is found
    built.execute("delete from marts.fct_listens where listened_at = '2026-02-02 11:00:00'")
    conservation = "every_play_imported_is_in_the_fact_once"
    assert built.dbt("test", "--select", conservation, check=False).failed == {conservation}
