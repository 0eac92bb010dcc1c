"""A forked command is the installed one: what it says, where, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import run_command, run_script


@pytest.mark.parametrize(
    "command",
    [
        ("listenhouse", "--version"),
        # a usage error, one with a message of ours, and one of dlt's
        ("listenhouse", "nonsense"),
        ("listenhouse", "runs"),
        ("dlt", "pipeline", "other", "run"),
    ],
    ids=" ".join,
)
def test_a_forked_command_says_what_the_script_says(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    # nobody listens there
    url = "postgresql://ada:hunter2@127.0.0.1:1/music"
    environment = {"LISTENHOUSE_HOME": str(tmp_path), "LISTENHOUSE_DATABASE_URL": url}
    forked, script = (run(*command, environment=environment) for run in (run_command, run_script))
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        script.returncode,
        script.stdout,
        script.stderr,
    )
    assert forked.stdout or forked.stderr
