"""A house whose scripted days are built on PostgreSQL and, from its lake, on Spark."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lake.catalog import open_catalog
from lake.fingerprint import Fingerprint, fingerprint
from lake.verification import verify
from operations.lakehouse import landing_tables, publish_to_lake
from tests.conftest import empty_database
from tests.conftest import postgres_server as postgres_server  # noqa: PLC0414 (a fixture)
from tests.dbt_project.landing import Day, Landing, boundary, history, track
from tests.dbt_project.scripted_days import days
from tests.dbt_project.warehouse_build import BUILD, BUILD_UNTESTED, Warehouse
from tests.ingestion.spotify_export import EXAMPLE, account_data, import_export
from warehouse.run_lock import hold_run_lock
from warehouse.settings import PROJECT_ROOT, Settings

PYTHON = PROJECT_ROOT / "spark/.venv/bin/python"

# each engine has its own way with each of them
ODD_TRACKS = tuple(
    track(200 + number, name=name, artist=name, album=name, genres=genres)
    for number, (name, genres) in enumerate(
        [
            ("Ashley  Anderson\u00a0", "Hip-Hop/Rap,R&B/Soul"),
            ("ASHLEY ANDERSON", "rock; Rock ,ROCK"),
            ("Zo\u0308e \ufb01ne", "Singer/Songwriter"),
            ("ZÖE FINE", " , ;"),
            ("\uff21\uff22\uff23", "Rock / Pop"),
            ("İSTANBUL ẞ ΣΊΣΥΦΟΣ", "Ünknown"),
            ("ДЕСЯТЬ\u200b Кот", "'80s"),
            ('O\'Neil \\ "quoted" $1', "a\\b"),
            ("\u00ad\u200d", ""),
        ]
    )
)


def _with_odd_names(day: Day) -> Day:
    numbers = [record["id"] for record in ODD_TRACKS]
    return day.having("tracks", *ODD_TRACKS).having(
        "listen_history", history(7, [*numbers, *numbers[:3]])
    )


class SparkSession:
    """A process with dbt and Spark: requests go in, answers come out."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._log = folder / "spark.log"
        self._process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name("session.py"))],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "LISTENHOUSE_DATABASE_URL": settings.database_url,
                "LISTENHOUSE_LAKE": str(settings.lake),
                "LISTENHOUSE_SPARK_MASTER": os.environ.get("LISTENHOUSE_SPARK_MASTER", "local[2]"),
                "DBT_TARGET_PATH": str(folder / "target"),
                "DBT_LOG_PATH": str(folder / "logs"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("w"),
            text=True,
        )

    def dbt(self, *arguments: str) -> dict[str, str]:
        """The status of every node that ran; raises where one failed."""
        answer = self._ask({"dbt": arguments})
        assert not answer["error"], answer["error"]
        assert not answer["messages"], answer["messages"]
        statuses: dict[str, str] = answer["statuses"]
        return statuses

    def sql(self, query: str) -> list[list[Any]]:
        """The rows of a query."""
        rows: list[list[Any]] = self._ask({"sql": query})
        return rows

    def stop(self) -> None:
        """Ends the process."""
        self._process.communicate(timeout=120)

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()[-4000:]
        return json.loads(answer)


@dataclass
class House:
    """A warehouse, its lake, and Spark on the lake.

    Attributes:
        settings: Where warehouse and lake are.
        spark: The session.
        tested: What the build of the last day on Spark did, with its tests.
        marts: What the marts added up to on both engines, by day and name.
        full: What those of Spark added up to after a full refresh.
    """

    settings: Settings
    spark: SparkSession
    tested: dict[str, str] = field(default_factory=dict)
    marts: dict[tuple[int, str], tuple[Fingerprint, Fingerprint]] = field(default_factory=dict)
    full: dict[str, Fingerprint] = field(default_factory=dict)

    def publish(self) -> None:
        """Brings the lake to the day that is published in PostgreSQL, and makes sure of it."""
        with hold_run_lock(self.settings) as lock:
            publish_to_lake(self.settings, lock)
            compared = verify(self.settings, lock, landing_tables(self.settings))
        assert all(table.is_equal for table in compared)

    def fingerprints(self, namespace: str) -> dict[str, Fingerprint]:
        """What the tables of a namespace of the lake add up to."""
        with open_catalog(self.settings) as catalog:
            return {
                name: fingerprint([catalog.load_table((namespace, name)).scan().to_arrow()])
                for _, name in sorted(catalog.list_tables(namespace))
            }

    def compare(self, day: int) -> None:
        """Notes what the marts of both engines add up to."""
        of_postgres, of_spark = self.fingerprints("gold"), self.fingerprints("marts")
        for name, built in of_spark.items():
            self.marts[day, name] = (of_postgres[name], built)


@pytest.fixture(scope="session")
def house(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three days, built as they came, and then in full."""
    if not PYTHON.exists():
        pytest.fail("Spark's environment is not there: run `make spark`.")
    folder = tmp_path_factory.mktemp("spark")
    with (
        empty_database(postgres_server, "spark") as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        settings = Settings(
            home=folder / "home", external_database_url=url, lake=str(folder / "lake")
        )
        landing = Landing(connection)
        landing.create()
        house = House(settings, SparkSession(settings, folder))
        try:
            _live(house, landing, Warehouse(url, folder, "default"), folder)
            yield house
        finally:
            house.spark.stop()


def _live(house: House, landing: Landing, warehouse: Warehouse, folder: Path) -> None:
    source = [_with_odd_names(day) for day in days()]
    for day in (1, 2):
        landing.crawl(boundary(day), source[day - 1])
        warehouse.dbt(*BUILD_UNTESTED, "--vars", "{publish: untested}")
        house.publish()
        house.spark.dbt(*BUILD_UNTESTED)
        house.compare(day)

    # another source, which needs what is personal; several crawls since the last build
    house.settings = house.settings.but(lake_personal=True)
    import_export(house.settings, account_data(folder))
    import_export(house.settings, EXAMPLE)
    landing.crawl(boundary(3), source[2])
    landing.crawl(datetime.now(UTC) + timedelta(seconds=10), source[3])
    warehouse.dbt(*BUILD)
    house.publish()
    house.tested = house.spark.dbt(*BUILD)
    house.compare(3)

    house.spark.dbt("run", "--full-refresh")
    house.full = house.fingerprints("marts")
