"""dbt's unit tests, which read rows of their own: here, once, and in no other test."""

from __future__ import annotations

import pytest

from tests.dbt_project.artifacts import Manifest
from tests.dbt_project.warehouse_build import Warehouse


def test_every_unit_test_of_the_project_passes(
    built: Warehouse, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # not in UTC, where a time that was never turned into UTC looks right
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    outcome = built.dbt("test", "--select", "test_type:unit")
    assert set(outcome.statuses) == {test["name"] for test in manifest.nodes("unit_test")}
    assert set(outcome.statuses.values()) == {"pass"}
