"""An export of Spotify's: what lands of it, once, and what is said where it is none."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.spotify.landing import ImportReport, import_export
from tests.commands import run_command
from warehouse.errors import ListenhouseError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

EXAMPLE = PROJECT_ROOT / "examples/spotify_export"


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


def import_from(settings: Settings, path: Path, user: str = "me") -> ImportReport:
    with hold_run_lock(settings) as lock:
        return import_export(settings, lock, path, user)


def write(folder: Path, name: str, content: Any) -> Path:
    folder.mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text)
    return folder


def test_an_export_lands_once_however_often_it_comes(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    assert import_from(settings, EXAMPLE) == ImportReport(files=2, events=8, new=7, rejected=0)
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
    assert import_from(settings, archive).new == 0
    assert connection.execute("select * from raw_spotify.streams order by 1").fetchall() == before

    # of somebody else they are other events
    assert import_from(settings, EXAMPLE / "Streaming_History_Audio_2024_0.json", "you").new == 5


def test_a_later_export_that_tells_more_lands_beside_the_first(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "export", "endsong_0.json", [event()])
    import_from(settings, folder)
    write(folder, "endsong_0.json", [event(audiobook_uri=None), event()])
    assert import_from(settings, folder).new == 1
    assert connection.execute(
        "select details::text from raw_spotify.streams order by landed_at"
    ).fetchall() == [('{"platform":"linux"}',), ('{"platform":"linux","audiobook_uri":null}',)]


def test_records_that_do_not_fit_are_kept_until_they_are_mended(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    bad = [event(ts="yesterday"), event(ms_played=None), "none", event(platform="a\x00b")]
    folder = write(tmp_path / "export", "Streaming_History_Audio_0.json", [event(), *bad])
    assert import_from(settings, folder) == ImportReport(files=1, events=5, new=1, rejected=4)
    rejected = "select count(*), count(resolved_at) from raw_spotify.rejected_records"
    assert connection.execute(rejected).fetchone() == (4, 0)
    import_from(settings, EXAMPLE, "you")
    assert connection.execute(rejected).fetchone() == (4, 0)
    write(folder, "Streaming_History_Audio_0.json", [event(), event(ms_played=1)])
    import_from(settings, folder)
    assert connection.execute(rejected).fetchone() == (4, 4)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Streaming_History_Audio_1.json": '[{"ts": "2024-'}, "is no list of events in JSON"),
        ({"Streaming_History_Audio_1.json": '{"items": []}'}, "is no list of events in JSON"),
        ({"StreamingHistory_music_0.json": "[]"}, "has no file Streaming_History_"),
    ],
)
def test_what_is_no_export_lands_nothing_and_says_so(
    settings: Settings,
    connection: psycopg.Connection,
    tmp_path: Path,
    files: dict[str, str],
    message: str,
) -> None:
    folder = tmp_path / "export"
    for name, content in files.items():
        write(folder, name, content)
        if name.startswith("Streaming_"):
            # a good one before it
            write(folder, "Streaming_History_Audio_0.json", [event()])
    with pytest.raises(ListenhouseError, match=message):
        import_from(settings, folder)
    assert connection.execute("select to_regclass('raw_spotify.streams')").fetchone() == (None,)


def test_the_command_says_what_it_did_and_what_it_needs(
    settings: Settings, database_url: str
) -> None:
    environment = {
        "LISTENHOUSE_HOME": str(settings.home),
        "LISTENHOUSE_DATABASE_URL": database_url,
    }
    command = ("dlt", "pipeline", "spotify_export", "run")
    for options, message in (
        ((), "--export PATH --user NAME"),
        (("--export", "nowhere", "--user", "me"), "nowhere cannot be read (No such file"),
        (("--export", str(EXAMPLE), "--user", "me", "--accept-shrink"), "--accept-shrink is of"),
    ):
        refused = run_command(*command, *options, environment=environment)
        assert refused.returncode == 1
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
    done = run_command(*command, "--export", str(EXAMPLE), "--user", "me", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "8 events in 2 files, 7 of them new in raw_spotify.streams." in done.stdout
