"""Runs dbt in tests, and reads what it built.

In: the URL of a database with a landing schema. Out: dbt's results; canonical fingerprints of
the marts.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode, SeedNode
from psycopg import sql

from tests.commands import run_command
from tests.dbt_invocation import invoke
from tests.dbt_project.parsed_project import leave_parsed, parsed_project
from warehouse.settings import PROJECT_ROOT

BUILD = ("build", "--exclude-resource-type", "unit_test")
"""Builds and tests the data; dbt's unit tests, which no data changes, run once elsewhere."""

SINGULAR_TESTS = ("test", "--select", "test_type:singular")
"""What goes across models: enough where the rows of each are known to be right."""

LISTENING_TESTS = (*SINGULAR_TESTS, "--exclude", "marts.health")
"""Those of what comes of landing."""

BUILD_UNTESTED = ("build", "--exclude-resource-type", "test", "unit_test")
"""Builds seeds and models only."""

BUILD_LISTENING = (
    *BUILD_UNTESTED,
    *("--select", "+marts.listening", "+marts.features", "+marts.reports"),
    # what tests across models ask beside
    "stg_moovitamix__crawls",
)
"""Builds what comes of landing: the other half of the models is about runs and lists."""

IN_PLACE = "in_place"
"""The target where models and tests are asked about, and not what is published."""

_QUIET = (
    *("--log-level", "none", "--log-level-file", "none", "--no-use-colors", "--no-write-json"),
)
"""What happened is in dbt's results; its logs and artifacts would be a fifth of a build's time."""

_DECIDING = ("--vars", "--target")
"""Options that decide what is in the project, as names of schemas: dbt parses it anew for them."""


class BuildFailedError(AssertionError):
    """A dbt command failed; says which nodes and why."""


@dataclass(frozen=True)
class Outcome:
    """What a dbt command did.

    Attributes:
        statuses: Status of every node that ran, by its name.
        message: Why the command as a whole failed, if it did.
    """

    statuses: dict[str, str]
    message: str = ""

    @property
    def failed(self) -> set[str]:
        """Names of the nodes that did not succeed."""
        return {
            name
            for name, status in self.statuses.items()
            if status not in ("success", "pass", "no-op")
        }


@dataclass(frozen=True)
class Warehouse:
    """One database, and dbt pointed at it.

    Attributes:
        url: The database's connection URL.
        folder: Where dbt writes its artifacts and logs.
        target: dbt's; commands build as people do.
    """

    url: str
    folder: Path
    target: str = IN_PLACE

    def dbt(self, *arguments: str, check: bool = True) -> Outcome:
        """Runs a dbt command, from the root of the repository.

        Args:
            *arguments: As on the command line.
            check: Whether to raise when it does not succeed.

        Returns:
            The status of every node.

        Raises:
            BuildFailedError: The command failed, and `check` is set.
        """
        with self._environment():
            result = self._invoke(*arguments)
        statuses: dict[str, str] = {}
        reasons = [str(result.exception)] if result.exception else []
        for node in getattr(result.result, "results", []):
            if str(node.node.resource_type) == "operation":
                continue
            statuses[node.node.name] = str(node.status)
            if str(node.status) not in ("success", "pass", "no-op", "skipped"):
                reasons.append(f"{node.node.name}: {node.status} {node.message}")
        if check and not result.success:
            raise BuildFailedError("\n".join(reasons))
        return Outcome(statuses, str(result.exception or ""))

    def compiled_tests(self, *arguments: str) -> dict[str, str]:
        """The SQL of every data test, by its unique id, as dbt would run it now.

        Args:
            *arguments: As on the command line.
        """
        dbt = dbtRunner(manifest=parsed_project(self.url, self.target))
        with self._environment():
            result = invoke(dbt, "compile", "--select", "resource_type:test", *arguments, *_QUIET)
        assert result.success, result.exception
        nodes = [compiled.node for compiled in getattr(result.result, "results", [])]
        return {node.unique_id: node.compiled_code for node in nodes}

    def rendered(self, jinja: str, *arguments: str) -> str:
        """What dbt makes of a piece of jinja.

        Args:
            jinja: With the project's macros.
            *arguments: As on the command line.

        Raises:
            CompilationError: It cannot be rendered; says why.
        """
        with self._environment():
            result = self._invoke("compile", "--inline", jinja, *arguments)
        if not isinstance(result.result, RunExecutionResult):
            # dbt's own says only that something did not parse
            assert result.exception is not None
            raise result.exception.__context__ or result.exception
        (rendered,) = result.result.results
        return str(getattr(rendered.node, "compiled_code", ""))

    def parse(self) -> dict[str, Any]:
        """What dbt knows of the project: the content of `manifest.json`."""
        self._leave_parsed()
        with self._environment():
            result = invoke(dbtRunner(), "parse", *_QUIET, "--write-json")
        assert result.success, result.exception
        content: dict[str, Any] = json.loads((self.folder / "target/manifest.json").read_text())
        return content

    def command(
        self, *command: str, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Runs an installed command that builds, but for dbt's unit tests.

        Args:
            *command: Name of the script, and its arguments.
            environment: Variables beside those that lead to the warehouse.
        """
        # what no data changes is tested elsewhere
        variables = {**self._variables, "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}
        self._leave_parsed()
        return run_command(*command, environment={**variables, **environment})

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        """Runs and commits a statement."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def fingerprints(self, prefix: str = "") -> dict[str, str]:
        """A hash of all rows of every table that people read, whatever their order.

        Args:
            prefix: Of the schemas' names: `as_of_20260601_`, for the past.

        Returns:
            The hashes, by table.
        """
        with psycopg.connect(self.url) as connection:
            tables = connection.execute(
                "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 2",
                ([f"{prefix}marts", f"{prefix}health"],),
            ).fetchall()
            prints = {}
            for schema, table in tables:
                row = connection.execute(
                    sql.SQL(
                        "select md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)),"
                        " '')) from {} as t"
                    ).format(sql.Identifier(schema, table))
                ).fetchone()
                assert row is not None
                prints[table] = row[0]
        return prints

    def _invoke(self, *arguments: str) -> dbtRunnerResult:
        options = [part for pair in pairwise(arguments) if pair[0] in _DECIDING for part in pair]
        # what is rendered by itself has no schema
        if (not options and arguments[0] != "parse") or "--inline" in arguments:
            manifest = parsed_project(self.url, self.target)
        else:
            # what dbt left of the same options, it reads
            result = invoke(dbtRunner(), "parse", *options, *_QUIET)
            if arguments[0] == "parse" or not isinstance(result.result, Manifest):
                return result
            manifest = result.result
        # these make a fifth of a build's time and no row; a run's own build has them
        for node in manifest.nodes.values():
            if isinstance(node, (ModelNode, SeedNode)):
                node.config.persist_docs = {}
        return invoke(dbtRunner(manifest), *arguments, *_QUIET)

    def _leave_parsed(self) -> None:
        """Leaves the parsed project where a dbt that begins from nothing looks for it."""
        leave_parsed(self.folder / "target", self.url)

    @property
    def _variables(self) -> dict[str, str]:
        return {
            "LISTENHOUSE_DATABASE_URL": self.url,
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }

    @contextmanager
    def _environment(self) -> Iterator[None]:
        here = Path.cwd()
        os.chdir(PROJECT_ROOT)
        try:
            with mock.patch.dict(os.environ, {**self._variables, "DBT_TARGET": self.target}):
                yield
        finally:
            os.chdir(here)
