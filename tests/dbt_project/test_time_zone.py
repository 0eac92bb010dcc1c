"""What is built is in UTC, whatever the time zone of the session that builds it."""

from __future__ import annotations

import pytest

from tests.dbt_project.landing import Day, Landing, boundary, history, track, user
from tests.dbt_project.warehouse_build import BUILD_UNTESTED, Warehouse

DAY = Day(users=(user(1),), tracks=(track(10),), listen_history=(history(1, [10]),))


def test_the_time_zone_of_a_session_makes_no_difference(
    warehouse: Warehouse, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.crawl(boundary(1), DAY)
    warehouse.dbt(*BUILD_UNTESTED)
    before = warehouse.fingerprints()
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    # with the unit tests, which compare times too
    warehouse.dbt("build", "--full-refresh")
    assert warehouse.fingerprints() == before
