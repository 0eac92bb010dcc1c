"""What is built is the same, whatever the sessions that build it begin with."""

from __future__ import annotations

import pytest

from tests.dbt_project.warehouse_build import BUILD, Warehouse
from tests.odd_sessions import odd_login


def test_neither_time_zone_nor_role_makes_a_difference(
    built: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = built.fingerprints()
    # goes before what the profile pins
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    with odd_login(built.url) as url:
        Warehouse(url, built.folder).dbt(*BUILD, "--full-refresh")
        assert built.fingerprints() == before
