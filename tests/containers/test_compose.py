"""The image and docker-compose.yml, as far as they can be tried without a Docker engine.

Commands are read out of the Compose file and run as the image would run them: by its entrypoint,
with secrets from files, in a folder that holds what `.dockerignore` lets into the image. Only the
ports, the hosts and the paths inside of the container are others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from tests.conftest import DATABASE, empty_database, free_port
from tests.dbt_project.warehouse_build import Warehouse
from warehouse.settings import PROJECT_ROOT

COMPOSE_FILE = PROJECT_ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ENTRYPOINT = "containers/entrypoint"
SCRIPTS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ("hadolint", "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"),
    ],
    ids=lambda command: command[0],
)
def test_the_linters_are_content(command: tuple[str, ...]) -> None:
    outcome = subprocess.run(
        [str(SCRIPTS / command[0]), *command[1:]],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_limited_and_watched(name: str) -> None:
    service = SERVICES[name]
    is_job = service["restart"] == "no"
    if name not in OURS:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", service["image"])
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert ("healthcheck" in service) == (not is_job)
    assert service["restart"] == ("no" if is_job else "unless-stopped")
    assert "no-new-privileges:true" in service.get("security_opt", ()) or name == "postgres"
    assert service["profiles"]
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_no_secret_stands_in_the_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|KEYS|DATABASE_URL", variable):
                assert variable.endswith("_FILE"), (name, variable)
                assert Path(value).name in service["secrets"]
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])


def test_the_image_pins_its_base_and_runs_as_nobody_in_particular() -> None:
    lines = (PROJECT_ROOT / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    stages = {line.split()[3] for line in lines if re.match(r"FROM \S+ AS ", line)}
    assert len(stages) > 1
    assert all(
        re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", base) or base in stages
        for base in bases
    )
    (user,) = (line.split()[1] for line in lines if line.startswith("USER"))
    assert int(user.partition(":")[0]) > 0
    assert f'ENTRYPOINT ["/opt/listenhouse/{ENTRYPOINT}"]' in lines


@dataclass(frozen=True)
class Image:
    """What the image holds, and what its containers share.

    Attributes:
        folder: The code.
        home: The volume `state`.
        secrets: Folder of the secrets.
        environment: Variables that lead to all of it.
        ports: A free port for each of the services'.
    """

    folder: Path
    home: Path
    secrets: Path
    environment: dict[str, str]
    ports: dict[str, str]

    def _here(self, text: str) -> str:
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        for inside, here in {
            "/run/secrets": str(self.secrets),
            "0.0.0.0": "127.0.0.1",  # noqa: S104 (taken out)
            "//simulator": "//127.0.0.1",
            **self.ports,
        }.items():
            text = re.sub(rf"(?<!\d){re.escape(inside)}(?!\d)", here, text)
        return text

    def start(self, name: str) -> subprocess.Popen[str]:
        """Starts a service's command, as its container would."""
        service = OURS[name]
        command = [self._here(word) for word in service["command"]]
        if name == "simulator":
            # its port is the default one, which may be taken here; a small world is as good
            command += ["--port", self.ports["8420"], "--users", "50", "--tracks", "50"]
        variables = {
            key: self._here(value) for key, value in service.get("environment", {}).items()
        }
        return subprocess.Popen(
            [str(self.folder / ENTRYPOINT), *command],
            cwd=self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Runs a service while the block does, from when its health check is content."""
        process = self.start(name)
        kind, *check = OURS[name]["healthcheck"]["test"]
        assert kind == "CMD"
        try:
            deadline = time.monotonic() + 300
            while True:
                healthy = subprocess.run(
                    [self._here(word) for word in check],
                    cwd=self.folder,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if healthy.returncode == 0:
                    break
                assert time.monotonic() < deadline, healthy.stderr
                # the service needs the processor more than the next check does
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.3)
                    pytest.fail(process.communicate()[0])
            yield
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=60)
        assert process.returncode in (0, 143, -15), output


@pytest.fixture(scope="module")
def image(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image's content, an empty database, and secrets that lead to it."""
    folder, home, secrets = (tmp_path_factory.mktemp(name) for name in ("image", "home", "secrets"))
    ignored = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    for entry in (line.removeprefix("!").rstrip("/") for line in ignored if line[:1] == "!"):
        source, target = PROJECT_ROOT / entry, folder / entry
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            shutil.copy(source, target)
    (secrets / "api_keys").write_text("0123456789abcdef0123\n")
    (secrets / "erasure_key").write_text("0123456789abcdef" * 4)
    with empty_database(postgres_server, DATABASE) as url:
        for name in ("database_url", "api_database_url", "metrics_database_url"):
            (secrets / name).write_text(f"{url}\n")
        yield Image(
            folder,
            home,
            secrets,
            {
                "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
                # this code, not the repository's
                "PYTHONPATH": str(folder),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LISTENHOUSE_HOME": str(home),
                "DBT_TARGET_PATH": str(home / "target"),
                "DBT_LOG_PATH": str(home / "logs"),
                # the models and lists have tests of their own, and so has what dbt tests
                "DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test",
                "LISTENHOUSE_RECOMMEND": "no",
            },
            {port: str(free_port()) for port in ("8420", "8430", "25490")},
        )


def test_every_command_of_the_compose_file_runs_with_what_the_image_holds(image: Image) -> None:
    # Airflow's was tried by hand: its environment takes longer to make than all of this
    tried = {"simulator", "daily", "api", "metrics"}
    assert set(OURS) == tried | {"airflow"}
    before = _content(image.folder)

    with image.running("simulator"):
        daily = image.start("daily")
        output, _ = daily.communicate(timeout=900)
    assert daily.returncode == 0, output
    assert "listens in marts.fct_listens" in output
    with image.running("api"), image.running("metrics"):
        page = urlopen(f"http://127.0.0.1:{image.ports['8430']}/health")
        assert b"Listenhouse" in page.read()

    url = (image.secrets / "database_url").read_text().strip()
    ((command, trigger),) = Warehouse(url, image.home).query(
        "select command, trigger from ops.runs where status = 'succeeded'"
    )
    assert (command, trigger) == ("listenhouse run", "compose")
    # the image is read-only
    assert _content(image.folder) == before


def _content(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}


def test_a_secret_that_cannot_be_read_ends_the_command_and_is_named(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [str(PROJECT_ROOT / ENTRYPOINT), "echo", "started"],
        env={**os.environ, "LISTENHOUSE_DATABASE_URL_FILE": str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode != 0
    assert outcome.stdout == ""
    assert "nowhere" in outcome.stderr
