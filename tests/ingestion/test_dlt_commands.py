"""dlt's own commands, as installed, on the pipeline."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from tests.commands import run_command, run_script
from tests.ingestion.scripted_api import ScriptedApi


@pytest.fixture
def environment(tmp_path: Path, database_url: str, api: ScriptedApi) -> dict[str, str]:
    """Points the commands at the scripted API and an empty database."""
    return {
        "LISTENHOUSE_HOME": str(tmp_path / "home"),
        "LISTENHOUSE_DATABASE_URL": database_url,
        "LISTENHOUSE_API_URL": api.url,
    }


def test_the_pipeline_runs_and_tells_of_itself(
    environment: dict[str, str], connection: psycopg.Connection, tmp_path: Path
) -> None:
    # by the script itself, in a Python that starts from nothing
    run = run_script("dlt", "pipeline", "listen_history", "run", environment=environment)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "users 250 250 0 0 0" in " ".join(run.stdout.split())
    assert connection.execute("select count(*) from raw_moovitamix.users").fetchone() == (250,)
    assert (tmp_path / "home/dlt/pipelines/listen_history").is_dir()

    info = run_command("dlt", "pipeline", "listen_history", "info", environment=environment)
    assert info.returncode == 0
    assert "raw_moovitamix" in info.stdout
    trace = run_command("dlt", "pipeline", "listen_history", "trace", environment=environment)
    assert trace.returncode == 0
    assert "listen_history: 3 row(s)" in trace.stdout
    schema = run_command("dlt", "pipeline", "listen_history", "schema", environment=environment)
    assert schema.returncode == 0
    assert "row_hash" in schema.stdout


@pytest.mark.skipif(find_spec("dlthub") is not None, reason="make dlt-dashboard was run here")
def test_the_dashboard_says_how_to_install_what_it_lacks(environment: dict[str, str]) -> None:
    show = run_command("dlt", "pipeline", "listen_history", "show", environment=environment)
    assert show.returncode == 1
    assert show.stderr.startswith("dlt's dashboard needs dlthub, ")
    assert "make dlt-dashboard" in show.stderr


def test_the_module_is_the_same_command(
    environment: dict[str, str], connection: psycopg.Connection, api: ScriptedApi
) -> None:
    run = run_command("python", "-m", "ingestion", environment=environment)
    assert run.returncode == 0, run.stderr

    api.records["users"] = [record | {"nickname": "Al"} for record in api.records["users"][:10]]
    refused = run_command("python", "-m", "ingestion", environment=environment)
    assert refused.returncode == 1
    assert "--accept-shrink" in refused.stderr
    accepted = run_command("python", "-m", "ingestion", "--accept-shrink", environment=environment)
    assert accepted.returncode == 0, accepted.stderr
    assert "Note: /users serves a field that is not declared, 'nickname'" in accepted.stdout
    assert connection.execute("select count(*) from raw_moovitamix.crawls").fetchone() == (2,)
