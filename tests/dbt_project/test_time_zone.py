"""What is built is in UTC, whatever the time zone of the session that builds it."""

from __future__ import annotations

import pytest

from tests.dbt_project.warehouse_build import BUILD, Warehouse


def test_the_time_zone_of_a_session_makes_no_difference(
    built: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = built.fingerprints()
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    built.dbt(*BUILD, "--full-refresh")
    assert built.fingerprints() == before
