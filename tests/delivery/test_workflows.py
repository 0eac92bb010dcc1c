"""GitHub's workflows fit their schema, and do what a person can do by the same commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import run_command
from tests.dbt_project.parsed_project import leave_parsed
from warehouse.settings import PROJECT_ROOT, Settings

GITHUB = PROJECT_ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
MAKEFILE = (PROJECT_ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

ONLY_THERE = re.compile(
    # what is about GitHub or a registry, and the image's own first word
    r"(gh|docker login|docker tag|docker push|docker run|tar|image=|echo \"\$TOKEN\") ?"
)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_every_file_fits_its_schema(schema: str, files: list[Path]) -> None:
    outcome = subprocess.run(
        [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", schema, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout


def _jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            yield f"{file.stem}.{name}", job


JOBS = dict(_jobs())


@pytest.mark.parametrize("name", JOBS)
def test_every_step_is_a_command_that_works_anywhere(name: str) -> None:
    for step in JOBS[name].get("steps", ()):
        # lines that go on are one command
        for line in step.get("run", "").replace("\\\n", " ").strip().splitlines():
            if found := re.match(r"make ([\w-]+)", line):
                assert found[1] in TARGETS, line
            elif line != "bash .ci/run":
                assert ONLY_THERE.match(line), line


@pytest.mark.parametrize("name", JOBS)
def test_no_job_runs_for_ever_or_with_rights_that_nobody_named(name: str) -> None:
    job = JOBS[name]
    assert "timeout-minutes" in job or "uses" in job
    file = yaml.safe_load((GITHUB / "workflows" / f"{name.partition('.')[0]}.yml").read_text())
    assert "contents" in file["permissions"]
    assert "write" not in file["permissions"].values()


def test_no_expression_is_pasted_into_a_script() -> None:
    for name, job in JOBS.items():
        for step in job.get("steps", ()):
            # what somebody else can name, as a branch, would run as a command
            assert "${{" not in step.get("run", ""), name


def test_the_test_matrix_begins_with_the_oldest_python_that_is_supported() -> None:
    pythons = JOBS["ci.test"]["strategy"]["matrix"]["python"]
    project = (PROJECT_ROOT / "pyproject.toml").read_text()
    assert f'requires-python = ">={pythons[0]}"' in project
    assert pythons == ["3.11", "3.12", "3.13"]


def test_slim_builds_first_what_the_changed_models_and_tests_read(tmp_path: Path) -> None:
    leave_parsed(tmp_path, Settings(home=tmp_path).database_url)

    def listed(selection: str) -> set[str]:
        outcome = run_command(
            *("dbt", "--quiet", "ls", "--output", "json", "--output-keys", "unique_id"),
            *("--select", selection.replace("state:modified", "dim_users")),
            environment={"DBT_TARGET_PATH": str(tmp_path), "DBT_LOG_PATH": str(tmp_path)},
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return {json.loads(line)["unique_id"] for line in outcome.stdout.splitlines()}

    first, then = re.findall(r"@dbt build --select (\S*state:modified\S*)", MAKEFILE)
    changed = listed(then)
    assert "model.listenhouse.fct_listens" in changed
    models = ("model.", "seed.")
    # the first command leaves tests out
    built = changed | {node for node in listed(first) if node.startswith(models)}
    parents = json.loads((tmp_path / "manifest.json").read_text())["parent_map"]
    read = {parent for node in built for parent in parents[node]}
    assert {node for node in read if node.startswith(models)} <= built
