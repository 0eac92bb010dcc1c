"""An export of Spotify's: what lands of it, once, and what is said where it is none."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from ingestion.sources.spotify.export import read_export
from ingestion.sources.spotify.import_command import run_import
from ingestion.sources.spotify.landing import ImportReport
from ingestion.sources.spotify.listens import (
    IS_EPISODE,
    MIN_PLAYED_MS,
    NO_TRACK,
    TOO_SHORT,
    why_no_listen,
)
from ingestion.sources.spotify.records import AccountStream, Stream
from operations.erasure.forget_command import run_forget
from tests.commands import run_command
from tests.ingestion.spotify_export import EXAMPLE, import_export
from warehouse.errors import LandingError, ListenhouseError
from warehouse.settings import PROJECT_ROOT, Settings

STREAMS_TABLE = "raw_spotify.streams"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(home=tmp_path / "home", external_database_url=database_url)


def event(**changed: Any) -> dict[str, Any]:
    return {
        "ts": "2024-01-06T08:15:02Z",
        "ms_played": 40_000,
        "spotify_track_uri": "spotify:track:1",
        "master_metadata_track_name": "One",
        "platform": "linux",
        **changed,
    }


def account_event(**changed: Any) -> dict[str, Any]:
    return {
        "endTime": "2024-01-06 08:15",
        "artistName": "Somebody",
        "trackName": "One",
        "msPlayed": 40_000,
        **changed,
    }


def new(reports: list[ImportReport]) -> int:
    return sum(report.new for report in reports)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write(folder: Path, name: str, content: Any) -> Path:
    folder.mkdir(exist_ok=True)
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    (folder / name).write_bytes(content)
    return folder


def test_an_export_lands_once_however_often_it_comes(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    assert import_export(settings, EXAMPLE) == [
        ImportReport(STREAMS_TABLE, files=2, events=8, new=7, trackless=1, short=1)
    ]
    landed = connection.execute(
        "select user_id, ts, ms_played, spotify_track_uri, master_metadata_track_name,"
        " details->>'ip_addr' from raw_spotify.streams order by ts, ms_played"
    ).fetchall()
    first = ("me", "2024-01-06 08:15:02", 214_000, "spotify:track:4cOdK2wGLETKBW3PvgPWqT")
    assert tuple(map(str, landed[0][:4])) == tuple(map(str, first))
    assert landed[0][4:] == ("Lighthouse", "203.0.113.7")
    # an episode is an event, too
    assert [row[3] for row in landed].count(None) == 1

    before = connection.execute("select * from raw_spotify.streams order by 1").fetchall()
    archive = tmp_path / "my_spotify_data.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in EXAMPLE.iterdir():
            file.write(path, f"Spotify Extended Streaming History/{path.name}")
        file.writestr("Spotify Extended Streaming History/ReadMe.pdf", b"%PDF")
    assert new(import_export(settings, archive)) == 0
    assert connection.execute("select * from raw_spotify.streams order by 1").fetchall() == before

    assert connection.execute(
        "select schema_name, count(*) from raw_spotify._dlt_version group by schema_name"
    ).fetchall() == [("spotify_export", 1)]

    # of somebody else they are other events
    single = EXAMPLE / "Streaming_History_Audio_2024_0.json"
    assert new(import_export(settings, single, "you")) == 5


def test_a_later_export_that_tells_more_lands_beside_the_first(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "export", "endsong_0.json", [event()])
    import_export(settings, folder)
    # null where it is not known: nothing new
    write(folder, "endsong_0.json", [event(audiobook_uri=None), event()])
    assert new(import_export(settings, folder)) == 0
    write(folder, "endsong_0.json", [event(skipped=True), event()])
    assert new(import_export(settings, folder)) == 1
    assert connection.execute(
        "select details::text from raw_spotify.streams order by landed_at"
    ).fetchall() == [('{"platform":"linux"}',), ('{"platform":"linux","skipped":true}',)]


def test_records_that_do_not_fit_are_kept_until_they_are_mended(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    bad = [event(ts="yesterday"), event(ms_played=None), "none", event(platform="a\x00b")]
    folder = write(tmp_path / "export", "Streaming_History_Audio_0.json", [event(), *bad])
    (report,) = import_export(settings, folder)
    assert report == ImportReport(STREAMS_TABLE, files=1, events=5, new=1, rejected=4)
    rejected = "select count(*), count(resolved_at) from raw_spotify.rejected_records"
    assert connection.execute(rejected).fetchone() == (4, 0)
    import_export(settings, EXAMPLE, "you")
    assert connection.execute(rejected).fetchone() == (4, 0)
    write(folder, "Streaming_History_Audio_0.json", [event(), event(ms_played=1)])
    # one file says nothing about the others
    import_export(settings, folder / "Streaming_History_Audio_0.json")
    assert connection.execute(rejected).fetchone() == (4, 0)
    import_export(settings, folder)
    assert connection.execute(rejected).fetchone() == (4, 4)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Streaming_History_Audio_1.json": '[{"ts": "2024-'}, "is not a list of events in JSON"),
        ({"Streaming_History_Audio_1.json": '{"items": []}'}, "is not a list of events in JSON"),
        ({"Playlist1.json": "[]"}, "has no file Streaming_History_"),
        (
            {"Streaming_History_Audio_1.json": '[{"trackName": "\\"endTime\\":"}]'},
            "is not a streaming history: no record has the time",
        ),
        ({"Streaming_History_1.json": "\ufeff[".encode("utf-16-le")}, "is not a list of events"),
        ({"export.zip": b"PK"}, r"cannot be read \(export\.zip: File is not a zip file\)"),
        (
            {"a.zip": zipped({"b.zip": zipped({"c.zip": zipped({"d.zip": b""})})})},
            r"d\.zip is an archive in 3 others",
        ),
    ],
)
def test_what_is_no_export_lands_nothing_and_says_so(
    settings: Settings,
    connection: psycopg.Connection,
    tmp_path: Path,
    files: dict[str, str | bytes],
    message: str,
) -> None:
    folder = tmp_path / "export"
    for name, content in files.items():
        write(folder, name, content)
        if name.startswith("Streaming_"):
            # a good one before it
            write(folder, "Streaming_History_Audio_0.json", [event()])
    with pytest.raises(ListenhouseError, match=message):
        import_export(settings, folder)
    assert connection.execute("select to_regclass('raw_spotify.streams')").fetchone() == (None,)


def test_an_export_is_read_as_people_have_it(settings: Settings, tmp_path: Path) -> None:
    def saved(number: int) -> bytes:
        return json.dumps([event(ms_played=number)]).encode()

    files = {
        "endsong.json": saved(1),
        "endsong (1).json": b"\xef\xbb\xbf" + saved(2),
        "Streaming_History_Audio_0.JSON": saved(3).decode().encode("utf-16"),
        "Streaming_History_Audio_1.json": "\ufeff[]".encode("utf-16-be"),
        # of another Mac, and of another tool
        "._endsong.json": b"\x00",
        "Userdata.json": b"{}",
    }
    folder = tmp_path / "export"
    for name, content in files.items():
        write(folder, name, content)
    inner = {f"MyData/{name}": content for name, content in files.items()}
    inner["MyData/endsong_3.json"] = saved(4)
    archive = zipped({"Downloads/my_spotify_data.ZIP": zipped(inner), "Downloads/": b""})
    write(tmp_path / "downloads", "both.zip", archive)

    assert import_export(settings, folder) == [
        ImportReport(STREAMS_TABLE, files=4, events=3, new=3, short=3)
    ]
    for path in (tmp_path / "downloads", tmp_path / "downloads/both.zip"):
        (report,) = import_export(settings, path)
        assert (report.files, report.events) == (5, 4)
    # the fourth was new once
    assert report.new == 0
    # a file is what it holds, whatever it is called
    copy = write(tmp_path / "single", "mine.txt", b"\xef\xbb\xbf" + saved(1)) / "mine.txt"
    (report,) = import_export(settings, copy)
    assert (report.events, report.new, report.rejected) == (1, 0, 0)


def test_the_account_data_lands_beside_the_extended_history(
    settings: Settings,
    connection: psycopg.Connection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "export"
    music = [account_event(), account_event(msPlayed=10), account_event()]
    podcast = {"endTime": "2024-01-07 09:00", "podcastName": "P", "episodeName": "E"}
    write(folder, "StreamingHistory_music_0.json", [*music, account_event(endTime="2024-01-06")])
    write(folder, "StreamingHistory_podcast_0.json", [podcast | {"msPlayed": 90_000}])
    write(folder, "StreamingHistory0.json", [account_event(trackName="Two")])
    write(folder, "Streaming_History_Audio_0.json", [event(), event(ts="yesterday")])
    account_table = "raw_spotify.account_streams"
    assert run_import(settings, folder, "me") == [
        ImportReport(STREAMS_TABLE, files=1, events=2, new=1, rejected=1),
        ImportReport(account_table, files=3, events=6, new=4, rejected=1, trackless=1, short=1),
    ]
    said = capsys.readouterr().out
    assert "This is the account data: one year, to the minute, tracks without ids." in said
    assert "2 records do not fit and are in raw_spotify.rejected_records" in said
    landed = "select end_time::text, ms_played, artist_name, track_name, details::text from"
    assert connection.execute(f"{landed} {account_table} order by 1, 2, 4".encode()).fetchall() == [
        ("2024-01-06 08:15:00", 10, "Somebody", "One", None),
        ("2024-01-06 08:15:00", 40_000, "Somebody", "One", None),
        ("2024-01-06 08:15:00", 40_000, "Somebody", "Two", None),
        ("2024-01-07 09:00:00", 90_000, None, None, '{"podcastName":"P","episodeName":"E"}'),
    ]
    # mended is what its own kind of export no longer has
    rejected = "select endpoint, resolved_at is null from raw_spotify.rejected_records order by 1"
    (folder / "Streaming_History_Audio_0.json").unlink()
    write(folder, "StreamingHistory_music_0.json", music)
    assert new(import_export(settings, folder)) == 0
    assert connection.execute(rejected).fetchall() == [
        ("account_streams of me", False),
        ("streams of me", True),
    ]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (event(), None),
        (event(ms_played=29_999), TOO_SHORT),
        (event(spotify_track_uri=None), NO_TRACK),
        (event(spotify_track_uri=None, master_metadata_album_artist_name="Somebody"), None),
        (event(spotify_track_uri=None, master_metadata_album_artist_name=" "), NO_TRACK),
        (
            event(
                spotify_track_uri=None,
                master_metadata_album_artist_name="A Podcast",
                episode_show_name="A Podcast",
                ms_played=1,
            ),
            NO_TRACK,
        ),
        (
            event(
                spotify_track_uri=None,
                master_metadata_album_artist_name="Somebody",
                episode_name=None,
                platform='"episode_name":"x',
            ),
            None,
        ),
        (account_event(), None),
        (account_event(msPlayed=29_999), TOO_SHORT),
        (account_event(trackName=None), NO_TRACK),
    ],
)
def test_why_an_event_is_no_listen(
    told: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    (file,) = read_export(write(tmp_path, "endsong.json", [told]) / "endsong.json")
    (record,) = file.page.records
    assert isinstance(record, Stream | AccountStream)
    details = msgspec.json.encode(file.page.undeclared.get(0)).decode()
    assert why_no_listen(record, details) == reason


def test_a_damaged_archive_lands_nothing_and_says_so(settings: Settings, tmp_path: Path) -> None:
    name = "./Streaming_History_Audio_0.json"
    archive = tmp_path / "my_spotify_data.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(name), json.dumps([event()]))
        file.writestr("Streaming_History_Audio_1.json", json.dumps([event(ms_played=1)] * 100))
    assert new(import_export(settings, archive)) == 2
    content = archive.read_bytes()
    start = content.rindex(b"Streaming_History_Audio_1.json", 0, content.index(b"PK\x01\x02"))
    archive.write_bytes(content[: start + 40] + b"\xff" * 8 + content[start + 48 :])
    with pytest.raises(ListenhouseError, match=r"my_spotify_data\.zip cannot be read \(.+\)"):
        import_export(settings, archive)


def test_who_is_forgotten_is_so_here_alone(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    bad = write(tmp_path / "bad", "endsong_0.json", [event(ts="yesterday"), event()])
    write(bad, "StreamingHistory0.json", [account_event(), account_event(endTime="yesterday")])
    # an id that could be one of the other source
    for user, folder in (("17", bad), ("me", bad), ("you", EXAMPLE)):
        import_export(settings, folder, user)
    connection.execute(
        "create schema raw_moovitamix; create table raw_moovitamix.users"
        " (id bigint, email text, _dlt_valid_from timestamptz, _dlt_valid_to timestamptz);"
        " insert into raw_moovitamix.users values (17, '17@example.org', now())"
    )
    streams = "select user_id, count(*)::int from raw_spotify.streams group by 1 order by 1"
    account = "select user_id from raw_spotify.account_streams order by 1"
    rejected = "select endpoint from raw_spotify.rejected_records order by 1"

    assert run_forget(settings, "moovitamix", "17", agreed=True)
    assert connection.execute(streams).fetchall() == [("17", 1), ("me", 1), ("you", 7)]
    assert connection.execute(account).fetchall() == [("17",), ("me",)]
    assert run_forget(settings, "spotify", "17", agreed=True)
    assert run_forget(settings, "spotify", "me", agreed=True)

    assert connection.execute(streams).fetchall() == [("you", 7)]
    assert connection.execute(account).fetchall() == []
    assert connection.execute(rejected).fetchall() == []
    assert not list((settings.home / "dlt").rglob("*.parquet"))
    with pytest.raises(LandingError, match="This user was forgotten"):
        run_import(settings, EXAMPLE, "me")
    # what was refused is no failure of the house
    assert connection.execute("select distinct status from ops.runs").fetchall() == [("succeeded",)]
    assert new(import_export(settings, bad, "Me")) == 2


def test_the_marts_tell_episodes_and_short_plays_by_the_same_rule() -> None:
    models = PROJECT_ROOT / "dbt_project/models"
    events = (models / "staging/spotify/stg_spotify__streams.sql").read_text()
    plays = (models / "intermediate/spotify/int_spotify_streams_identified.sql").read_text()
    assert f"'{IS_EPISODE.pattern}'" in events
    assert f"named.played_ms >= {MIN_PLAYED_MS}" in plays


def test_the_command_says_what_it_did_and_what_it_needs(
    settings: Settings, database_url: str, connection: psycopg.Connection
) -> None:
    environment = {
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_DATABASE_URL": database_url,
    }
    command = ("dlt", "pipeline", "spotify_export", "run")
    for options, message in (
        ((), "--export PATH --user ID"),
        (("--export", str(EXAMPLE), "--user", "me@example.org"), "--user is an id, not an address"),
        (("--export", "nowhere", "--user", "me"), "nowhere cannot be read (No such file"),
        (("--export", str(EXAMPLE), "--user", "me", "--accept-shrink"), "--accept-shrink is of"),
    ):
        refused = run_command(*command, *options, environment=environment)
        assert refused.returncode == 1
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
    # what was mistyped is no failure of the house
    assert connection.execute("select to_regclass('ops.runs')").fetchone() == (None,)
    done = run_command(*command, "--export", str(EXAMPLE), "--user", "me", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "8 events in 2 files, 7 of them new in raw_spotify.streams." in done.stdout
    assert "No listens among them: 1 without a track (episodes, books" in done.stdout
    assert "files of one's own), 1 under 30 seconds." in done.stdout
