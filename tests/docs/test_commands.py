"""Every command and query of the documentation is executed.

Blocks run as they stand, in the order of their pages, on a copy of a warehouse with two weeks of
runs, in a folder that looks like the repository. Two things differ: ports are free ones, so that
nothing meets what runs on this machine, and commands that take long or change much are left to the
tests that run them anyway (`ELSEWHERE`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator import World, WorldConfig, create_app, running
from tests import programs
from tests.conftest import copied_database, free_port
from tests.dbt_project.warehouse_build import Warehouse
from tests.docs.snippets import SNIPPETS, Snippet
from warehouse.settings import PROJECT_ROOT, Settings

DAILY_RUN = "tests/operations/test_daily_run.py"
DAILY_STEPS = "tests/operations/test_daily_steps.py"
DLT = "tests/ingestion/test_dlt_commands.py"
WITHDRAWAL = "tests/ingestion/test_withdrawal.py"
RECOMMENDER = "tests/recommender/test_end_to_end.py"

ELSEWHERE = {
    "make run": (".ci/run", "house make run"),
    "make test": (".ci/run", "make test"),
    "make stop": (".ci/run", "house make stop"),
    "make docs": (".ci/run", "house make docs"),
    "make site": ("tests/docs/test_site.py", "make -o .venv/dev site"),
    "make drill": ("tests/drills/test_random_drills.py", "run_drill shared_bench seed"),
    "make mutate": ("tests/mutation/test_judge.py", "Judge"),
    "dlt pipeline listen_history run": (DLT, "dlt pipeline listen_history run"),
    "dlt pipeline listen_history info": (DLT, "dlt pipeline listen_history info"),
    "dbt build --vars": ("tests/dbt_project/test_as_of.py", "build --vars"),
    "dbt build --select fct_listens+": (
        "tests/dbt_project/test_boundary.py",
        "BUILD --select fct_listens+",
    ),
    "dbt build": (DAILY_RUN, "dbt build --quiet"),
    # these parse the project, which takes as long as all that is executed here
    "dbt seed": ("tests/dbt_project/test_before_any_load.py", "dbt seed"),
    "dbt test": (DAILY_RUN, "dbt test --quiet"),
    "dbt source freshness": (DAILY_RUN, "dbt source freshness"),
    "dbt docs generate && dbt docs serve": (DAILY_RUN, "dbt docs generate"),
    "listenhouse up": (DAILY_RUN, "listenhouse up"),
    "listenhouse down": (DAILY_RUN, "listenhouse down"),
    "listenhouse run": (DAILY_RUN, "listenhouse run"),
    # exits with 1 on the warehouse of this test, in which things went wrong
    "listenhouse check": ("tests/operations/test_sanity_check.py", "listenhouse check"),
    "listenhouse alerts": ("tests/monitoring/alerts/test_command.py", "listenhouse alerts"),
    "listenhouse metrics serve": (
        "tests/monitoring/metrics/test_prometheus_metrics.py",
        "listenhouse metrics serve",
    ),
    "listenhouse grant": ("tests/operations/test_grant.py", "run_grant"),
    "listenhouse forget": ("tests/operations/test_forget.py", "listenhouse forget"),
    "listenhouse prune": ("tests/operations/test_retention.py", "run_prune"),
    "listenhouse heartbeat": (DAILY_STEPS, "listenhouse heartbeat"),
    "listenhouse vacuum": (DAILY_STEPS, "listenhouse vacuum"),
    "listenhouse withdraw": (WITHDRAWAL, "listenhouse withdraw"),
    "listenhouse redate": ("tests/operations/test_sanity_check.py", "run_redate"),
    "listenhouse retrain": (RECOMMENDER, "listenhouse retrain"),
    "listenhouse recommend": (RECOMMENDER, "listenhouse recommend"),
    "listenhouse rollback-model": ("tests/recommender/test_command.py", "run_rollback"),
    "listenhouse serve": ("tests/operations/test_api_server.py", "COMMAND serve"),
}
"""By the beginning of a command: who executes it, and what is to be read there."""

MOVED = re.compile(
    r"^(\s*)(?:\w+=\S+ )*(?:" + "|".join(map(re.escape, ELSEWHERE)) + r")(?![\w-]).*"
)

LEFT_OUT = (".git", ".venv", ".listenhouse", ".listenhouse-tests", "logs", "site", "target")
"""What is made in the repository, and is no part of it."""

PRELUDE = """
set -euo pipefail
# an answer of 404 is no answer
# curl waits for a server that starts
sleep() { :; }
curl() { command curl --fail --silent --show-error --retry 30 --retry-connrefused "$@"; }
"""


@dataclass(frozen=True)
class Desk:
    """Where a reader of the documentation sits.

    Attributes:
        folder: Looks like the repository; what is written stays out of it.
        url: Of the warehouse.
        environment: Variables of every command.
        ports: The free port for each default one.
    """

    folder: Path
    url: str
    environment: dict[str, str]
    ports: dict[int, int]

    def run(self, *command: str, text: str, timeout: float = 600) -> tuple[int, str]:
        """Gives a text to a program; returns its exit code, and what it said."""
        said = self.folder / "said.txt"
        with said.open("w") as output:
            # a group of its own: what a block leaves in the background ends with it
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            assert process.stdin is not None
            process.stdin.write(text.encode())
            process.stdin.close()
            try:
                code = process.wait(timeout)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        return code, said.read_text()


@pytest.fixture(scope="module")
def desk(
    watched: Warehouse,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    """A copy of the watched warehouse, an API, and a folder that looks like the repository."""
    folder = tmp_path_factory.mktemp("desk")
    for entry in PROJECT_ROOT.iterdir():
        if entry.name not in LEFT_OUT:
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".listenhouse/logs").mkdir(parents=True)
    for log in (watched.folder / "logs").glob("*.jsonl"):
        shutil.copy(log, folder / ".listenhouse/logs")
    usual = Settings()
    ports = {usual.metrics_port: free_port(), usual.serving_port: free_port()}
    # the embedded server's, where the machine has none
    psql = str(next(Path(sys.prefix, "lib").glob("python3*/site-packages/*/pginstall18/bin")))
    world = World.at(0, WorldConfig(users=20, tracks=20))
    with (
        copied_database(watched.url, "documented") as url,
        running(create_app(world)) as api_url,
    ):
        yield Desk(
            folder,
            url,
            os.environ
            | {
                "PATH": ":".join([f"{folder}/.venv/bin", os.environ["PATH"], psql]),
                "COLUMNS": "200",
                "LISTENHOUSE_HOME": str(folder / ".listenhouse"),
                "LISTENHOUSE_LAKE": str(folder / ".listenhouse/lake"),
                "LISTENHOUSE_DATABASE_URL": url,
                "LISTENHOUSE_API_URL": api_url,
                "LISTENHOUSE_METRICS_PORT": str(ports[usual.metrics_port]),
                "LISTENHOUSE_SERVING_PORT": str(ports[usual.serving_port]),
            },
            ports,
        )


def _executed(language: str) -> list[Snippet]:
    return [
        snippet
        for snippet in SNIPPETS
        if snippet.language == language and snippet.reason is None and _left_to_do(snippet).strip()
    ]


def _left_to_do(snippet: Snippet) -> str:
    """What is to be executed here: all of it, but for what other tests execute."""
    if snippet.language != "sh":
        return snippet.text
    return "\n".join(
        line
        for line in snippet.text.splitlines()
        if not line.lstrip().startswith("#")
        # in the background it is something that the next line needs
        and (not MOVED.match(line) or re.search(r" &(\s|$)", line))
    )


@pytest.mark.parametrize("snippet", _executed("sh"), ids=str)
def test_every_command_does_what_it_says(desk: Desk, snippet: Snippet) -> None:
    text = _left_to_do(snippet)
    programs.find_all_in(text)
    for default, free in desk.ports.items():
        text = text.replace(f":{default}", f":{free}")
    code, output = desk.run("bash", text=PRELUDE + text)
    assert code == 0, output


@pytest.mark.parametrize("snippet", _executed("sql"), ids=str)
def test_every_query_runs(desk: Desk, snippet: Snippet) -> None:
    code, output = desk.run(
        *("psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", desk.url),
        text=f"begin;\n{snippet.text}\nrollback;\n",
    )
    assert code == 0, output
    if snippet.page == "docs/one-record.md":
        # the page promises something to see
        assert "(0 rows)" not in output


@pytest.mark.parametrize("snippet", _executed("python"), ids=str)
def test_every_program_runs(desk: Desk, snippet: Snippet) -> None:
    code, output = desk.run("python", "-", text=snippet.text)
    assert code == 0, output


@pytest.mark.parametrize("command", ELSEWHERE)
def test_who_is_said_to_execute_a_command_does(command: str) -> None:
    file, evidence = ELSEWHERE[command]
    # `run_command("dbt", "test")` reads `run_command dbt test`
    text = re.sub(r"[\"'*(),\s]+", " ", (PROJECT_ROOT / file).read_text())
    assert re.search(rf"(?<!\w){re.escape(evidence)}(?![\w-])", text)


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_is_left_to_others_is_in_the_documentation(command: str) -> None:
    text = "\n".join(snippet.text for snippet in SNIPPETS if snippet.language == "sh")
    assert command in text
