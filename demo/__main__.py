"""Weeks of a simulated world in a few minutes, the last day of them today.

    python -m demo [--days 45] [--users 1000] [--home FOLDER] [--port PORT]

In: nothing but the installed project. Out: a warehouse in a folder of its own and its pages; on
standard output a line per day, and where they are. Every day is a run as `listenhouse run` makes
it: an embedded PostgreSQL, a crawl of the simulator, `dbt build`, a training when a trigger fires,
lists for everybody. Only the last day is tested, and a few days before it the source loses listens
and serves bad tracks. The clocks of this process and of PostgreSQL are set a day ahead after each.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from demo.clock import Clock
from demo.day_summary import describe_day
from monitoring.health_page import page as health_page
from monitoring.listening_page import page as listening_page
from monitoring.wrapped_page import page as wrapped_page
from operations.daily_run.run import DayOptions, RunReport, run_day
from operations.services import embedded_postgres
from operations.services.start_stop import stop_services
from recommender.canary import read_canaries
from recommender.command import describe_canary
from recommender.recommend import SOURCE_NAME
from simulator import World, WorldConfig, create_app, lose_listens, running, spoil_tracks
from warehouse.errors import ListenhouseError, OutputError
from warehouse.process_environment import prepare_environment
from warehouse.settings import PROJECT_ROOT, Settings

HOME = PROJECT_ROOT / ".listenhouse" / "demo"
"""Where the warehouse goes; one that an earlier demo left there is made anew."""

PORT = 25442
"""Of its PostgreSQL, beside that of the user's own warehouse."""

BAD_DAY = 4
"""How many days before the last the source goes wrong: recent enough for the page to show."""

CANARY_PERCENT = 10
"""Users who are served by challengers that the gate refused."""

_LOST_LISTENS, _BAD_TRACKS = 0.6, 40

_MARK = "demo.txt"

_WORLD = "world.txt"
"""What was simulated, in a sentence: written last, and read by the documentation's site."""


def main() -> None:
    """Runs the days and says where to look."""
    description = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m demo", description=description)
    parser.add_argument("--days", type=int, default=45, choices=range(2, 366), metavar="2-365")
    parser.add_argument("--users", type=int, default=1000, help="users and tracks on the first day")
    parser.add_argument("--home", type=Path, default=HOME, help="a folder of its own")
    parser.add_argument("--port", type=int, default=PORT, help="port of its PostgreSQL")
    options = parser.parse_args()
    # of the user's own warehouse, recipients and monitors nothing is touched
    for name in [name for name in os.environ if name.startswith(("LISTENHOUSE_", "DBT_"))]:
        del os.environ[name]
    try:
        settings = Settings(
            home=options.home,
            embedded_port=options.port,
            trigger="demo",
            canary_percent=CANARY_PERCENT,
        )
        run_demo(settings, options.days, options.users)
    except ListenhouseError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted; the next demo begins anew.")


def run_demo(settings: Settings, days: int, users: int) -> None:
    """Makes the warehouse and its pages, and prints where they are.

    Args:
        settings: Its folder and port. What an earlier demo left in the folder is deleted; one
            that holds anything else is refused.
        days: How many, the last of them today.
        users: And tracks of the first day.

    Raises:
        OutputError: The folder is another one's.
        ListenhouseError: A day failed.
    """
    began = time.monotonic()
    _clear(settings)
    prepare_environment(settings.but(external_database_url=settings.database_url))
    os.environ |= {
        "DBT_TARGET_PATH": str(settings.home / "target"),
        "DBT_LOG_PATH": str(settings.home / "logs"),
    }
    today = datetime.now(UTC).date()
    first_date = today - timedelta(days=days - 1)
    world = World.at(0, WorldConfig(users=users, tracks=users, start_date=first_date))
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder) / "clock", days - 1)
        clock.start_postgres(settings)
        try:
            _run_days(settings, clock, world, days)
            _print_models(settings)
            # the second time, each leads to those that came after it
            for _ in range(2):
                listening_page.write_page(settings, settings.listening_page_file, "marts")
                wrapped_page.write_page(settings, settings.wrapped_page_file, "marts")
                health_page.write_page(settings, settings.health_page_file)
        finally:
            embedded_postgres.stop(settings)
    (settings.home / _WORLD).write_text(
        f"{days} simulated days up to {today.isoformat()}, {users:,} users and {users:,} tracks on "
        f"the first day.\n"
    )
    minutes = (time.monotonic() - began) / 60
    print(
        f"\n{days} days in {minutes:.1f} minutes. Open them in a browser:\n"
        f"  {settings.listening_page_file}\n  {settings.wrapped_page_file}\n"
        f"  {settings.health_page_file}\n"
        "To ask the warehouse itself, with psql, dbt or `listenhouse`:\n"
        f"  export LISTENHOUSE_HOME={settings.home} LISTENHOUSE_PORT={settings.embedded_port}\n"
        "  listenhouse up"
    )


def _clear(settings: Settings) -> None:
    """Makes the folder, without what an earlier demo left in it."""
    home = settings.home
    if (home / _MARK).exists():
        stop_services(settings)
        shutil.rmtree(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        if any(home.iterdir()):
            raise OutputError(f"{home} holds something else: name an empty folder with --home.")
        (home / _MARK).write_text("Made by `make demo`, which deletes this folder first.\n")
    except OSError as error:
        raise OutputError(f"{home} cannot be used ({error.strerror}): name another.") from error


def _run_days(settings: Settings, clock: Clock, world: World, days: int) -> None:
    app = create_app(world)
    with running(app) as url:
        settings = settings.but(external_api_url=url)
        for day in range(days):
            is_bad = day == days - 1 - min(BAD_DAY, days // 2)
            app.state.world = _gone_wrong(world) if is_bad else world
            with clock.set_to(day):
                report = run_day(settings, DayOptions(tested=day == days - 1))
                _print_day(day, days, report, is_bad=is_bad)
            # a run leaves what it made to the end of its process, and this one has many runs
            gc.unfreeze()
            gc.collect()
            world = world.advance()


def _gone_wrong(world: World) -> World:
    return spoil_tracks(lose_listens(world, _LOST_LISTENS), _BAD_TRACKS)


def _print_day(day: int, days: int, report: RunReport, *, is_bad: bool) -> None:
    told = describe_day(report)
    if is_bad:
        told = f"{_LOST_LISTENS:.0%} of the day's listens lost, {_BAD_TRACKS} bad tracks; {told}"
    print(f"{datetime.now(UTC):%d %b} ({day + 1} of {days}): {told}", flush=True)


def _print_models(settings: Settings) -> None:
    """Says what the gate decided, and what came of the recommendations."""
    with psycopg.connect(settings.database_url) as connection:
        decisions = connection.execute(
            "select decision, count(*) from marts.fct_model_promotions group by 1 order by 1"
        ).fetchall()
        lifts = connection.execute(
            "select model_version, lift, lift_lower, lift_upper from marts.rpt_model_lift"
            " where lift is not null order by model_version"
        ).fetchall()
        explored = connection.execute(
            "select sum(explored_conversion_rate * explored_count) / sum(explored_count),"
            " sum(neighbor_conversion_rate * explored_count) / sum(explored_count)"
            " from marts.rpt_exploration_lift where explored_conversion_rate is not null"
        ).fetchone()
        canaries = read_canaries(connection, SOURCE_NAME)
    print("\nThe gate: " + ", ".join(f"{count} {decision}" for decision, count in decisions) + ".")
    for version, lift, lower, upper in lifts:
        print(
            f"Version {version}: lift over popularity {lift:+.1%} ({lower:+.1%} to {upper:+.1%})."
        )
    if explored and explored[0] is not None:
        print(
            f"Exploration: {explored[0]:.2%} of its tracks were listened to, {explored[1]:.2%} of "
            "those beside them."
        )
    for canary, comparison in canaries:
        print(describe_canary(canary, comparison))


if __name__ == "__main__":
    main()
