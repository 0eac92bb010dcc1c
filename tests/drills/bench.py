"""What drills run on: a server of their own, simulated days behind a proxy, clean runs.

In: a folder. Out: a warehouse as it was after any clean day, in a moment; loads and builds that
can be stopped; the state that a clean run leaves on each day, to compare with.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random

import psycopg
from psycopg import sql

from operations.services import embedded_postgres
from simulator import Rates, World, WorldConfig, create_app, running
from tests.conftest import free_port
from tests.dbt_project.warehouse_build import BUILD_LISTENING
from tests.drills.killer import Kill, Victim
from tests.drills.oracle import (
    Boundaries,
    Canonical,
    broken_rules,
    differences,
    read_boundaries,
    read_columns,
    read_landing,
    read_marts,
)
from tests.drills.processes import Ending, Meanwhile, Scene, copy_folder, run_build, run_load
from tests.drills.proxy import Proxy, running_proxy
from tests.private import exposed_files
from warehouse.database import connect
from warehouse.settings import Settings

DAYS = 4
"""Simulated days of a world, from 0."""

DATABASE = "drill"
"""One name for every drill: dbt parses anew when its connection changes."""

_RATES = Rates(
    user_changes=0.05,
    track_changes=0.03,
    new_users=0.02,
    new_tracks=0.02,
    removed_users=0.02,
    removed_tracks=0.02,
    growing_histories=0.1,
    new_histories=0.02,
)


@dataclass(frozen=True)
class CleanDay:
    """What a run that nothing broke leaves on a day.

    Attributes:
        landing: Landing as of that day's crawl.
        columns: Landing's columns.
        points: How often the load passed each point.
        seconds: How long the load took.
    """

    landing: Canonical
    columns: list[str]
    points: Counter[str]
    seconds: float


@dataclass(frozen=True)
class CleanBuild:
    """What a build that nothing broke makes of a day, where the days before were built too.

    Attributes:
        marts: The marts.
        nodes: The models that it built, in order.
        seconds: How long it took.
    """

    marts: Canonical
    nodes: list[str]
    seconds: float


class Bench:
    """A server, a proxy and clean days; one drill at a time.

    Attributes:
        settings: The warehouse under test, and the proxy as its source.
        proxy: Where faults are planned.
        folder: Where the drill's processes write.
        days: The day that each committed crawl saw.
        deaths: How many loads died or failed since the last `begin`.
        victim: What a kill strikes.
        administration_url: The server's own database.
    """

    def __init__(self, root: Path, stack: ExitStack, server: Settings, proxy: Proxy) -> None:
        self.proxy = proxy
        self.folder = root / "drill"
        self.days: list[int] = []
        self.deaths = 0
        self._root = root
        self._stack = stack
        self._server = server
        self.administration_url = f"{server.database_url.rsplit('/', 1)[0]}/postgres"
        self._administration = server.database_url.rsplit("/", 1)[0]
        self.settings = Settings(
            home=self.folder / "home",
            external_database_url=f"{self._administration}/{DATABASE}",
            external_api_url=proxy.url,
            crawl_threads=4,
            request_timeout_seconds=1,
            request_attempts=3,
            retry_wait_seconds=0.02,
        )
        self.victim = Victim(
            self.settings.database_url, server.postgres_directory / "postmaster.pid"
        )
        self._scene = Scene(self.settings, self.folder, self.victim)
        self._sources: dict[tuple[int, int], str] = {}
        self._clean: dict[tuple[int, int], CleanDay] = {}
        self._built: dict[tuple[int, int], CleanBuild] = {}
        self._runs = 0

    def clean(self, world: int, day: int) -> CleanDay:
        """The state after a clean day; computed once, with the days before it.

        Args:
            world: Which world.
            day: Which of its days.
        """
        if (world, day) not in self._clean:
            if day:
                self.clean(world, day - 1)
            self._clean[world, day] = self._run_clean(world, day)
        return self._clean[world, day]

    def built(self, world: int, day: int) -> CleanBuild:
        """What comes of a clean day that is built; computed once, with the days before it.

        Most drills are about landing, and a build takes as long as five loads.

        Args:
            world: Which world.
            day: Which of its days.
        """
        if (world, day) not in self._built:
            if day:
                self.built(world, day - 1)
            self._built[world, day] = self._build_clean(world, day)
        return self._built[world, day]

    def begin(self, world: int, day: int, *, built: bool = False) -> None:
        """Makes the warehouse what it was before a day, and the source what it is on it.

        Args:
            world: Which world.
            day: Which of its days.
            built: Whether the days before are built, or landed only.
        """
        self.start_server()
        before = None
        if day:
            before = _template("built" if built else "landed", world, day - 1)
            (self.built if built else self.clean)(world, day - 1)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if before:
            copy_folder(self._root / before, self.folder)
        self._replace(DATABASE, before)
        self.days = list(range(day))
        self.deaths = 0
        self._runs = 0
        self.serve(world, day)

    def serve(self, world: int, day: int) -> None:
        """Serves a day, without faults."""
        if (world, day) not in self._sources:
            served = World.at(day, world_config(world))
            self._sources[world, day] = self._stack.enter_context(running(create_app(served)))
        bad = _Spoiler(world, day)
        self.proxy.serve(self._sources[world, day], bad.edit)

    def load(
        self,
        day: int,
        kill: Kill | None = None,
        *,
        clock: timedelta | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Ending:
        """Runs one load; notes the day that it saw if it commits, a death if it does not.

        Args:
            day: The day that is served.
            kill: When and how to stop it.
            clock: How far its clock is off.
            meanwhile: Called with its process id while it runs.
        """
        self._runs += 1
        self._wait_for_the_dead()
        now = clock_of(day) + timedelta(minutes=self._runs) + (clock or timedelta())
        ending = run_load(self._scene, now, kill, meanwhile)
        self.start_server()
        _require_privacy(self.settings, is_over=ending.code == 0)
        with self.connect() as connection:
            committed = len(read_boundaries(connection, []).committed)
        self.days += [day] * (committed - len(self.days))
        self.deaths += ending.code != 0
        return ending

    def build(self, kill: Kill | None = None, *arguments: str) -> Ending:
        """Runs dbt; where nothing else is asked for, builds what comes of landing, untested."""
        ending = run_build(self._scene, arguments or BUILD_LISTENING, kill)
        self.start_server()
        return ending

    def boundaries(self, connection: psycopg.Connection) -> Boundaries:
        """The boundaries of the warehouse under test."""
        return read_boundaries(connection, self.days)

    def compare_landing(self, world: int, *, at_rest: bool) -> list[str]:
        """Compares landing with that of a clean run up to the last committed day.

        Args:
            world: Which world; its clean days have to be computed.
            at_rest: Whether the last load succeeded, so that landing's own rules hold.

        Returns:
            What differs; nothing when all is well.
        """
        with self.connect() as connection:
            boundaries = self.boundaries(connection)
            landing = read_landing(connection, boundaries)
            if not self.days:
                return differences(landing, {})
            clean = self._clean[world, self.days[-1]]
            found = differences(landing, clean.landing)
            if at_rest:
                found += broken_rules(connection, boundaries, self.deaths)
                if read_columns(connection) != clean.columns:
                    found.append("landing has other columns")
        return found

    def compare_marts(self, world: int) -> list[str]:
        """Compares the marts with those of a clean build, which has to be computed."""
        with self.connect() as connection:
            marts = read_marts(connection, self.boundaries(connection))
        return differences(marts, self._built[world, self.days[-1]].marts)

    def lose_dlt_directory(self) -> None:
        """Deletes dlt's working directory."""
        shutil.rmtree(self.settings.dlt_directory, ignore_errors=True)

    def start_server(self) -> None:
        """Starts the server where it does not run."""
        # a crash of the machine, which fsync is for, is not among the drills; one of the
        # server is, so commits reach the operating system before they are reported
        embedded_postgres.start(self._server, {"fsync": "off"})

    def connect(self) -> psycopg.Connection:
        """A connection to the warehouse under test."""
        return connect(self.settings, "drill")

    def _run_clean(self, world: int, day: int) -> CleanDay:
        self.begin(world, day)
        load = self.load(day)
        _require(load)
        with self.connect() as connection:
            boundaries = self.boundaries(connection)
            landing = read_landing(connection, boundaries)
            columns = read_columns(connection)
            rules = broken_rules(connection, boundaries, 0)
        if rules:
            raise AssertionError(f"a clean run breaks landing's rules: {rules}")
        self._save(_template("landed", world, day))
        return CleanDay(
            landing=landing,
            columns=columns,
            points=Counter(point for _, point in load.trail[:-1]),
            seconds=load.seconds,
        )

    def _build_clean(self, world: int, day: int) -> CleanBuild:
        self.begin(world, day, built=True)
        _require(self.load(day))
        build = self.build()
        _require(build)
        with self.connect() as connection:
            marts = read_marts(connection, self.boundaries(connection))
        self._save(_template("built", world, day))
        return CleanBuild(
            marts=marts,
            nodes=[point for step, point in build.trail if step == "dbt build"],
            seconds=build.seconds,
        )

    def _save(self, name: str) -> None:
        """Keeps the warehouse and its folder as they are."""
        self._replace(name, DATABASE)
        copy_folder(self.folder, self._root / name)

    def empty(self) -> None:
        """Makes the warehouse empty; the next drill begins anew anyway."""
        self._replace(DATABASE, None)

    def _replace(self, name: str, template: str | None) -> None:
        """Makes a database anew, empty or as a copy."""
        with psycopg.connect(self.administration_url, autocommit=True) as connection:
            for database in (name, template):
                if database:
                    connection.execute(
                        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                        " where datname = %s",
                        (database,),
                    )
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(template or "template0")
                )
            )

    def _wait_for_the_dead(self) -> None:
        """Waits until the server noticed that the last run's process is gone."""
        with self.connect() as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = current_database()"
                " and application_name like 'listenhouse run pid%%'"
            )


class _Spoiler:
    """Spoils some records of a day, the same ones however often they are served."""

    def __init__(self, world: int, day: int) -> None:
        self._seed = f"{world} {day}"

    def edit(self, endpoint: str, rows: list[bytes]) -> list[bytes]:
        """Records of which a few do not fit."""
        random = Random(f"{self._seed} {endpoint}")  # noqa: S311 (chance, no secret)
        spoiled = list(rows)
        for number in random.sample(range(len(rows)), 3):
            spoiled[number] = rows[number].replace(b'"created_at":"', b'"created_at":"around ')
        return spoiled


def world_config(world: int) -> WorldConfig:
    """The small world that drills crawl: several pages of everything, quick to compare."""
    return WorldConfig(users=330, tracks=250, listens=1500, seed=world + 1, rates=_RATES)


def clock_of(day: int) -> datetime:
    """When the loads of a day begin: some hours after the midnight whose state is served."""
    date = world_config(0).start_date + timedelta(days=day)
    return datetime.combine(date, time(3), UTC)


def _template(state: str, world: int, day: int) -> str:
    return f"{state}_{world}_{day}"


def _require_privacy(settings: Settings, *, is_over: bool) -> None:
    """Raises where another user could read what a load left, or where rows outlived a good one."""
    if exposed := exposed_files(settings.home):
        raise AssertionError(f"others may read {exposed}")
    rows = [*settings.dlt_directory.rglob("*.parquet"), *settings.spool_directory.rglob("*")]
    if is_over and rows:
        raise AssertionError(f"rows are left in {rows}")


def _require(ending: Ending) -> None:
    if ending.code != 0:
        raise AssertionError(f"a clean run failed: {ending}")


@contextmanager
def running_bench(root: Path) -> Iterator[Bench]:
    """A bench in a folder; its server ends with it.

    Args:
        root: An empty folder.
    """
    server = Settings(home=root / "server", embedded_port=free_port())
    with ExitStack() as stack:
        proxy = stack.enter_context(running_proxy())
        stack.callback(embedded_postgres.stop, server)
        embedded_postgres.start(server, {"fsync": "off"})
        yield Bench(root, stack, server, proxy)
