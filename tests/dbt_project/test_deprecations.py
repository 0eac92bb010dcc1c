"""dbt's checks of YAML against its JSON schemas, which dbt skips on PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from dbt.jsonschemas import jsonschemas

from warehouse.settings import PROJECT_ROOT


def deprecations(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(
        jsonschemas,
        "_JSONSCHEMA_SUPPORTED_ADAPTERS",
        {*jsonschemas._JSONSCHEMA_SUPPORTED_ADAPTERS, "postgres"},
    )
    events: list[Any] = []
    result = dbtRunner(callbacks=[events.append]).invoke(
        [
            *("--quiet", "parse", "--no-partial-parse", "--show-all-deprecations"),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(folder), "--log-path", str(folder)),
        ]
    )
    assert result.success, result.exception
    return [event.info.msg for event in events if event.info.level in ("warn", "error")]


def test_the_project_uses_nothing_deprecated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deprecations(PROJECT_ROOT, tmp_path, monkeypatch) == []


def test_a_deprecated_use_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT_ROOT / name, tmp_path)
    for name in ("macros", "seeds"):
        shutil.copytree(PROJECT_ROOT / name, tmp_path / name)
    # of the models, which take long to parse, the words that seeds are described with
    no_models = shutil.ignore_patterns("*.sql", "*.yml")
    shutil.copytree(PROJECT_ROOT / "dbt_project", tmp_path / "dbt_project", ignore=no_models)
    seeds = tmp_path / "seeds" / "_seeds.yml"
    seeds.write_text(
        seeds.read_text().replace("    config:\n", "    favourite: true\n    config:\n")
    )
    assert any("favourite" in message for message in deprecations(tmp_path, tmp_path, monkeypatch))
