"""A warehouse that was dumped and restored elsewhere goes on as if nothing had been."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg

from ingestion.landing.load import load
from operations.services import embedded_postgres
from tests.conftest import empty_database, free_port
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse
from tests.drills.oracle import Canonical, differences, read_boundaries, read_landing, read_marts
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

RUNBOOK = PROJECT_ROOT / "docs" / "backup.md"

RUN_HERE = "<!-- not run: tests/operations/test_backup.py runs it -->"
"""As tests/docs says of blocks that it leaves to others."""


def commands(heading: str) -> list[str]:
    """The shell commands below a heading of the page that say they are run here."""
    section = RUNBOOK.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(rf"{re.escape(RUN_HERE)}\n```sh\n(.*?)```", section, re.DOTALL)
    assert blocks, heading
    return [block.replace("\\\n", " ") for block in blocks]


def run(scripts: Sequence[str], environment: dict[str, str]) -> None:
    """Runs scripts of the runbook, with PostgreSQL's own programs."""
    binaries = embedded_postgres._binaries(Path("nowhere"))
    variables = os.environ | environment | {"PATH": f"{binaries}:{os.environ['PATH']}"}
    for script in scripts:
        subprocess.run(
            ["/bin/sh", "-eu", "-c", script], env=variables, check=True, capture_output=True
        )


def land(settings: Settings) -> None:
    with hold_run_lock(settings) as lock:
        load(settings, lock)


def state(url: str) -> tuple[Canonical, Canonical]:
    """What landing and the marts say, in a form that two runs over the same days share."""
    with psycopg.connect(url) as connection:
        boundaries = read_boundaries(connection, [1, 2, 3])
        return read_landing(connection, boundaries), read_marts(connection, boundaries)


def test_a_restored_warehouse_goes_on_like_the_one_that_never_was(
    postgres_server: str, tmp_path: Path
) -> None:
    api = ScriptedApi()
    api.records = {
        "users": [user(number) for number in range(1, 21)],
        "tracks": [track(number) for number in range(1, 21)],
        "listen_history": [history(number, [number, 1, 2]) for number in range(1, 21)],
    }
    with empty_database(postgres_server) as url, serve(api):
        settings = Settings(
            home=tmp_path / "home", external_database_url=url, external_api_url=api.url
        )
        land(settings)
        api.records["users"][3] = user(4, gender="Male")
        api.records["listen_history"][5] = history(6, [6, 1, 2, 9])
        land(settings)
        Warehouse(url, tmp_path).dbt(*BUILD_UNTESTED)
        backup = {"LISTENHOUSE_DATABASE_URL": url, "BACKUP": str(tmp_path / "day.dump")}
        run(commands("Dump"), backup)
        with empty_database(postgres_server, "elsewhere") as restored_url:
            run(commands("Restore"), backup | {"LISTENHOUSE_DATABASE_URL": restored_url})
            api.records["users"].pop()
            api.records["tracks"].append(track(99))
            api.records["listen_history"][7] = history(8, [8, 99])
            land(settings)
            Warehouse(url, tmp_path).dbt(*BUILD_UNTESTED)
            # on another machine: nothing of the folder is there
            land(settings.but(home=tmp_path / "new", external_database_url=restored_url))
            Warehouse(restored_url, tmp_path).dbt(*BUILD_UNTESTED)

            for restored, expected in zip(state(restored_url), state(url), strict=True):
                assert len(expected) > 3
                assert differences(restored, expected) == []


def test_a_copy_of_the_server_starts_as_it_was(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("create table kept as select generate_series(1, 100) as number")
    folder = tmp_path / "postgres"

    run(
        commands("The whole server"),
        {"LISTENHOUSE_DATABASE_URL": database_url, "BACKUP": str(folder)},
    )

    copy = Settings(home=tmp_path, embedded_port=free_port())
    embedded_postgres.start(copy)
    try:
        with psycopg.connect(
            database_url.replace(
                database_url.rpartition("/")[0], copy.database_url.rpartition("/")[0]
            )
        ) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (100,)
    finally:
        embedded_postgres.stop(copy)
