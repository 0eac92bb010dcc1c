"""Passwords come from files where they should, and stand in no process list, log or repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands import DEFAULTS
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from tests.private import exposed_files
from warehouse.errors import SettingsError
from warehouse.settings import PROJECT_ROOT, Settings, read_settings

CANARY = "canary-Hunter2"

_KEYS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}"
    rb"|xox[abpr]-[0-9A-Za-z-]{10,}|AIza[0-9A-Za-z_-]{35}"
)


def command_lines() -> str:
    """What every process of the machine shows of how it was called."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(file.read_bytes().decode(errors="replace"))
    return "\n".join(lines)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no list of processes here")
def test_a_run_shows_its_password_to_nobody(settings: Settings, tmp_path: Path) -> None:
    api = ScriptedApi()
    api.records = {"users": [user(1)], "tracks": [track(1)], "listen_history": [history(1, [1])]}
    url = settings.database_url.replace("//listenhouse@", f"//listenhouse:{CANARY}@")
    file = tmp_path / "database_url"
    file.write_text(f"{url}\n")
    with serve(api):
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "dlt"), *["pipeline", "listen_history", "run"]],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                **DEFAULTS,
                "LISTENHOUSE_HOME": str(settings.home),
                "LISTENHOUSE_DATABASE_URL_FILE": str(file),
                "LISTENHOUSE_API_URL": api.url.replace("//", f"//ada:{CANARY}@"),
                "LISTENHOUSE_LOG_LEVEL": "debug",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # of somebody who shares all that they make
            umask=0,
        )
        seen = command_lines()
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            seen += command_lines()
        said = process.stdout.read() if process.stdout else ""
    assert process.returncode == 0, said
    assert "listen_history" in seen
    assert CANARY not in seen + said
    kept = [found for found in settings.home.rglob("*") if found.is_file()]
    assert any(found.suffix == ".jsonl" for found in kept)
    assert [found for found in kept if CANARY.encode() in found.read_bytes()] == []
    assert exposed_files(settings.home) == []


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"postgresql://ada:{CANARY}@h.example/x\n")
    variables = {"LISTENHOUSE_DATABASE_URL_FILE": str(file)}

    settings = read_settings(variables)

    assert settings.database_url == f"postgresql://ada:{CANARY}@h.example/x"
    assert CANARY in settings.secrets
    both = variables | {"LISTENHOUSE_DATABASE_URL": "postgresql://b@h.example/x"}
    with pytest.raises(SettingsError, match="is set too"):
        read_settings(both)
    file.write_text("")
    with pytest.raises(SettingsError, match="nothing in it"):
        read_settings(variables)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings({"LISTENHOUSE_ERASURE_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match="fewer than 32 characters"):
        read_settings({"LISTENHOUSE_ERASURE_KEY": "short"})


def test_the_repository_holds_no_key() -> None:
    git = shutil.which("git")
    assert git is not None
    listed = subprocess.run(
        [git, "ls-files", "-z"], cwd=PROJECT_ROOT, capture_output=True, check=True
    ).stdout.decode()
    files = [PROJECT_ROOT / name for name in listed.split("\0") if name]
    assert len(files) > 100
    found = [file for file in files if file.is_file() and _KEYS.search(file.read_bytes())]
    assert found == []
    assert _KEYS.search(b"-----BEGIN " + b"RSA PRIVATE KEY-----")
