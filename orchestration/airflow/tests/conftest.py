"""What the tests of the DAGs share: an Airflow of their own, and a house for it to run."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1]
HOUSE = FOLDER.parents[1]

MAX_SECONDS = 3000
"""When a command hangs, however busy the machine."""


def free_port() -> int:
    """A TCP port that nobody uses now, below those of outgoing connections."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 (no secret)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@dataclass(frozen=True)
class Orchestra:
    """An Airflow, and the house that it runs.

    Attributes:
        environment: What leads commands to both.
    """

    environment: dict[str, str]

    def call(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Runs a command."""
        return subprocess.run(
            command,
            cwd=HOUSE,
            env=self.environment | changes,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            check=False,
        )

    def airflow(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Calls Airflow."""
        return self.call(str(Path(sys.executable).parent / "airflow"), *arguments, **changes)

    def listenhouse(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Calls Listenhouse, in its own environment."""
        return self.call(str(HOUSE / ".venv/bin/listenhouse"), *arguments, **changes)

    def runs(self) -> list[dict[str, Any]]:
        """What is recorded, the first run first."""
        runs: list[dict[str, Any]] = json.loads(self.listenhouse("runs", "--json").stdout)
        return runs[::-1]


@pytest.fixture(scope="session")
def orchestra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestra]:
    """Nothing exists before the first test, nothing runs after the last."""
    folder = tmp_path_factory.mktemp("orchestra")
    ours = {name: value for name, value in os.environ.items() if "LISTENHOUSE" not in name}
    orchestra = Orchestra(
        ours
        | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
            "LISTENHOUSE_HOME": str(folder / "house"),
            "LISTENHOUSE_PORT": str(free_port()),
            "LISTENHOUSE_SIMULATOR_PORT": str(free_port()),
            "LISTENHOUSE_STEP_RETRY_SECONDS": "1",
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            # what no data changes is tested elsewhere
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        }
    )
    try:
        migrated = orchestra.airflow("db", "migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        orchestra.airflow("pools", "set", "listenhouse", "1", "of the tests")
        yield orchestra
    finally:
        orchestra.listenhouse("down")
