"""Tells which test of the repository notices a mutant, if any does.

In: mutants. Out: a verdict on each. A judge has a copy of the project, which it changes and puts
back, and a database that is set back to a warehouse that the unchanged project has built.

A mutant meets dbt's unit tests, then dbt's data tests on a build of all that depends on it, then
the tests in `tests/dbt_project`; the first that fails ends it. What a file of its own judges goes
there at once, past the data tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from unittest import mock

import psycopg
from dbt.cli.main import dbtRunner
from psycopg import sql

from operations.services import embedded_postgres
from tests.conftest import empty_database, free_port
from tests.dbt_invocation import invoke
from tests.dbt_project.landing import Landing, boundary
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import IN_PLACE, Warehouse
from tools.mutation.mutators import Mutant, mutants_of
from warehouse.settings import PROJECT_ROOT, Settings

TEMPLATE = "unchanged"

PYTEST = {
    "dim_dates": ["test_dates.py"],
    "calendar": ["test_dates.py"],
    "rpt_anomalies": ["test_anomalies.py", "test_incremental_builds.py"],
    "anomaly_scores": ["test_anomalies.py"],
    "int_latest_anomalies": ["test_findings.py"],
    "numbers": ["test_anomalies.py"],
}
"""Which files of `tests/dbt_project` judge a model, in place of data tests and those below."""

PYTEST_ELSE = [
    # in the order of how many they kill
    "test_incremental_builds.py",
    "test_history_of_crawls.py",
    "test_boundary.py",
    "test_as_of.py",
    "test_withdrawal.py",
]

# messages of PostgreSQL for SQL that it does not even start
_INVALID = re.compile(
    r"syntax error|does not exist|must appear in the GROUP BY|cannot be matched|is ambiguous"
    r"|could not determine|argument of|must have the same number of columns|must be type"
    r"|specified more than once|requires an OVER clause|Compilation Error|missing FROM-clause"
)
_NOT_OF_THE_PROJECT = (
    *(".*", "logs", "target", "*.egg-info", "__pycache__", "htmlcov"),
    *("benchmarks", "tools"),
)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        mutant: The mutant.
        outcome: `killed`, `survived`, or `invalid` where PostgreSQL refuses the SQL as such.
        killer: The test that failed, or dbt's error.
        changes_marts: Whether the marts of the scripted days differ from the unchanged
            project's; none where that was not looked at.
    """

    mutant: Mutant
    outcome: str
    killer: str = ""
    changes_marts: bool | None = None


@dataclass(frozen=True)
class Failure:
    """A node of dbt's that did not succeed.

    Attributes:
        node: Its name; that of the command where no node failed.
        model: The model that a unit test is of, else empty.
        message: What dbt says.
    """

    node: str
    model: str
    message: str

    @property
    def is_invalid(self) -> bool:
        """Whether the SQL is none, rather than wrong."""
        return bool(_INVALID.search(self.message))


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Starts a PostgreSQL with a warehouse that the unchanged project has built, as a template.

    Args:
        folder: Where to keep it.

    Yields:
        The server's URL, without a database.

    Raises:
        AssertionError: The unchanged project fails its own tests.
    """
    settings = Settings(home=folder / "server", embedded_port=free_port())
    embedded_postgres.start(settings, {"fsync": "off", "synchronous_commit": "off"})
    server = settings.database_url.rsplit("/", 1)[0]
    try:
        # with every test: one that fails without a mutant would kill them all
        with template(server, folder / "template", "build"):
            yield server
    finally:
        embedded_postgres.stop(settings)


@contextmanager
def template(server: str, folder: Path, *build: str) -> Iterator[None]:
    """A warehouse that judges copy, with what the unchanged project makes of the scripted days.

    Args:
        server: URL of the server, without a database.
        folder: Where dbt writes.
        build: The command of dbt's that builds it.

    Raises:
        AssertionError: The unchanged project fails its own tests.
    """
    with empty_database(server, TEMPLATE) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            landing = Landing(connection)
            landing.create()
            for number, day in enumerate(days(), start=1):
                landing.crawl(boundary(number), day)
        Warehouse(url, folder).dbt(*build)
        yield


@dataclass
class Judge:
    """A copy of the project and a database, for one mutant at a time.

    Attributes:
        server: URL of the server, without a database.
        folder: Where the copy is made.
    """

    server: str
    folder: Path
    files: dict[str, Path] = field(init=False)
    _dbt: dbtRunner = field(init=False, default_factory=dbtRunner)

    def __post_init__(self) -> None:
        """Copies the project and makes the database."""
        ignored = shutil.ignore_patterns(*_NOT_OF_THE_PROJECT)
        shutil.copytree(PROJECT_ROOT, self.project, ignore=ignored)
        self.files = sql_files(self.project)
        self.reset_database()

    @property
    def project(self) -> Path:
        """The copy."""
        return self.folder / "project"

    @property
    def warehouse(self) -> Warehouse:
        """The database. Its name never changes: dbt would parse everything anew."""
        return Warehouse(f"{self.server}/{self.folder.name}", self.folder)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Those of the marts that the unchanged project builds."""
        return Warehouse(f"{self.server}/{TEMPLATE}", self.folder).fingerprints()

    def reset_database(self) -> None:
        """Sets the database back to the template."""
        name, template = sql.Identifier(self.folder.name), sql.Identifier(TEMPLATE)
        with psycopg.connect(f"{self.server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            connection.execute(sql.SQL("create database {} template {}").format(name, template))

    @contextmanager
    def changed(self, mutants: Sequence[Mutant]) -> Iterator[None]:
        """The project with mutants in it, of different files."""
        before = {mutant.model: self.files[mutant.model].read_text() for mutant in mutants}
        try:
            for mutant in mutants:
                self.files[mutant.model].write_text(mutant.text)
            yield
        finally:
            for model, text in before.items():
                self.files[model].write_text(text)

    def unit_tests(self, mutants: Sequence[Mutant]) -> list[Verdict]:
        """Judges mutants by dbt's unit tests, all in one run.

        That is as good as one at a time, as a unit test has one model and no other data than
        its own.

        Args:
            mutants: Of different models, or one of macros.

        Returns:
            A verdict on each.
        """
        models = [model for mutant in mutants for model in self.models_of(mutant)]
        with self.changed(mutants):
            failures = self._run("test", "--select", *(f"{m},test_type:unit" for m in models))
        if len(mutants) > 1 and any(failure.node == "dbt" for failure in failures):
            # dbt itself gave up: because of which?
            return [verdict for mutant in mutants for verdict in self.unit_tests([mutant])]
        verdicts = []
        for mutant in mutants:
            mine = [*self.models_of(mutant), ""]
            verdicts.append(_verdict(mutant, [one for one in failures if one.model in mine]))
        return verdicts

    def data_tests(self, mutant: Mutant) -> Verdict:
        """Judges a mutant by a build, with dbt's data tests, of all that depends on it."""
        select = [f"{model}+" for model in self.models_of(mutant)]
        with self.changed([mutant]):
            # not to fail fast: dbt then sometimes ends before it has noted down what failed
            failures = self._run(
                *("build", "--full-refresh", "--select", *select),
                *("--exclude-resource-type", "unit_test"),
            )
        changes_marts = self.warehouse.fingerprints() != self.fingerprints
        self.reset_database()
        return _verdict(mutant, failures, changes_marts)

    def pytest(self, mutant: Mutant) -> Verdict:
        """Judges a mutant by the tests in `tests/dbt_project`."""
        files = [f"tests/dbt_project/{name}" for name in PYTEST.get(mutant.model, PYTEST_ELSE)]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
        with self.changed([mutant]):
            run = subprocess.run(  # noqa: PLW1510 (its code is the answer)
                command, cwd=self.project, capture_output=True, text=True
            )
        if run.returncode == 0:
            return Verdict(mutant, "survived")
        failed = re.search(r"^(?:FAILED|ERROR) \S+?::(\S+)", run.stdout, re.MULTILINE)
        if failed is None:
            raise RuntimeError(f"pytest did not run:\n{run.stdout}{run.stderr}")
        return Verdict(mutant, "killed", failed[1])

    def models_of(self, mutant: Mutant) -> list[str]:
        """The model itself, or the models that use the macros of a file."""
        file = self.files[mutant.model]
        return [mutant.model] if "models" in file.parts else users_of(mutant.model, self.files)

    def _run(self, *arguments: str) -> list[Failure]:
        variables = {
            # as in test_time_zone.py: times that are not in UTC show
            "PGTZ": "Asia/Tokyo",
            "LISTENHOUSE_DATABASE_URL": self.warehouse.url,
            "DBT_TARGET": IN_PLACE,
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }
        with chdir(self.project), mock.patch.dict(os.environ, variables):
            result = invoke(self._dbt, "--log-level", "none", "--no-use-colors", *arguments)
        failures = [
            Failure(
                node.node.name,
                _model_of_unit_test(node.node.unique_id),
                str(node.message),
            )
            for node in getattr(result.result, "results", [])
            if str(node.status) not in ("success", "pass", "no-op", "skipped")
        ]
        if not result.success and not failures:
            failures.append(Failure("dbt", "", str(result.exception)))
        return failures


def sql_files(project: Path) -> dict[str, Path]:
    """The models and macros of a project, by name; how dbt makes relations is no SQL of ours."""
    folders = (project / "dbt_project" / "models", project / "macros")
    return {
        file.stem: file
        for folder in folders
        for file in sorted(folder.rglob("*.sql"))
        if not {"materializations", "publication"}.intersection(file.parts)
    }


def all_mutants() -> dict[str, list[Mutant]]:
    """The mutants of every model and every file of macros that has any."""
    found = {
        name: mutants_of(name, file.read_text()) for name, file in sql_files(PROJECT_ROOT).items()
    }
    return {name: mutants for name, mutants in found.items() if mutants}


def users_of(macros: str, files: Mapping[str, Path]) -> list[str]:
    """The models that use a file of macros, also through other macros."""
    texts = {name: file.read_text() for name, file in files.items()}
    users = {macros}
    while True:
        names = {
            re.sub("^(default|postgres)__", "", found)
            for user in users
            if "macros" in files[user].parts
            for found in re.findall(r"\{% macro (\w+)", texts[user])
        }
        calls = re.compile(rf"\b(?:{'|'.join(sorted(names))})\(")
        grown = users | {name for name, text in texts.items() if calls.search(text)}
        if grown == users:
            return sorted(user for user in users if "models" in files[user].parts)
        users = grown


def _model_of_unit_test(unique_id: str) -> str:
    kind, _project, model, *_ = unique_id.split(".")
    return model if kind == "unit_test" else ""


def _verdict(
    mutant: Mutant, failures: Sequence[Failure], changes_marts: bool | None = None
) -> Verdict:
    if not failures:
        return Verdict(mutant, "survived", changes_marts=changes_marts)
    outcome = "invalid" if failures[0].is_invalid else "killed"
    killer = f"{failures[0].node}: {' '.join(failures[0].message.split())[:200]}"
    return Verdict(mutant, outcome, killer, changes_marts)
