"""After a withdrawal a build gives the marts of a warehouse that never saw the crawl.

Landing is the real one, filled through a served API.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingestion.landing import load as landing_module
from ingestion.landing.load import load
from ingestion.landing.withdrawal import plan_withdrawal, withdraw
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from tests.dbt_project.warehouse_build import BUILD_LISTENING, LISTENING_TESTS, Warehouse
from tests.ingestion.scripted_api import ScriptedApi, history, serve, track, user
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API with a handful of records; history 4 holds no listens yet."""
    scripted = ScriptedApi()
    scripted.records = {
        "users": [user(number) for number in range(1, 7)],
        "tracks": [track(number) for number in range(1, 9)],
        "listen_history": [
            history(1, [1, 2, 1]),
            history(2, [3]),
            history(3, [4, 5]),
            history(4, []),
            history(5, [1]),
        ],
    }
    with serve(scripted):
        yield scripted


@pytest.fixture
def source(settings: Settings, api: ScriptedApi) -> Settings:
    """The test's database, and the API as its source."""
    return settings.but(external_api_url=api.url)


def land(settings: Settings) -> str:
    with hold_run_lock(settings) as lock:
        return load(settings, lock).crawl.crawl_id


def land_and_die(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(landing_module, "commit_crawl", die)
        with pytest.raises(KeyboardInterrupt):
            land(settings)


def take_back(settings: Settings, crawl_id: str | None = None) -> None:
    names = [endpoint.name for endpoint in ENDPOINTS]
    with hold_run_lock(settings) as lock:
        plan = plan_withdrawal(lock, LANDING_SCHEMA, names, crawl_id)
        withdraw(lock, LANDING_SCHEMA, names, plan, "a test")


def second_day(api: ScriptedApi) -> None:
    """Changes a history late, so that an older change is not the newest of the fact."""
    api.records["listen_history"][1] = history(2, [3, 6])
    api.records["users"][0] = user(1, gender="Male")


def third_day(api: ScriptedApi) -> None:
    """One of each: longer, gone, no more empty, new; and the members they name."""
    histories = api.records["listen_history"]
    histories[0] = history(1, [2, 1, 1, 7])
    histories.remove(history(3, [4, 5]))
    histories[histories.index(history(4, []))] = history(4, [8, 8])
    histories += [history(6, [1]), history(None, [2])]
    api.records["users"][0] = user(1, gender="Agender")
    api.records["tracks"][6] = track(7, name="Renamed")
    api.records["tracks"].append(track(9))


def test_the_marts_are_those_of_a_warehouse_that_never_saw_the_crawls(
    source: Settings,
    api: ScriptedApi,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(source)
    second_day(api)
    land(source)
    warehouse.dbt(*BUILD_LISTENING)
    before = warehouse.fingerprints()
    # a load that dies, and a crawl that makes what it left part of history
    api.records["listen_history"][4] = history(5, [2])
    land_and_die(source, monkeypatch)
    third_day(api)
    third = land(source)
    api.records["listen_history"][0] = history(1, [5])
    land(source)
    warehouse.dbt(*BUILD_LISTENING)
    assert warehouse.fingerprints() != before

    take_back(source, third)
    warehouse.dbt(*BUILD_LISTENING)

    assert warehouse.fingerprints() == before
    warehouse.dbt(*LISTENING_TESTS)


def test_a_crawl_after_the_withdrawal_is_built_as_if_nothing_had_been_before_it(
    source: Settings, api: ScriptedApi, warehouse: Warehouse
) -> None:
    land(source)
    second_day(api)
    land(source)
    served = {endpoint: list(records) for endpoint, records in api.records.items()}
    third_day(api)
    land(source)
    warehouse.dbt(*BUILD_LISTENING)

    take_back(source)
    # no build in between; the next crawl sees the source as it was, but for one record
    api.records = served
    api.records["listen_history"][1] = history(2, [6])
    land(source)
    warehouse.dbt(*BUILD_LISTENING)

    built = warehouse.fingerprints()
    warehouse.dbt(*BUILD_LISTENING, "--full-refresh")
    assert warehouse.fingerprints() == built
    assert warehouse.query("select count(*) from marts.fct_listens where user_id = '6'") == [(0,)]
