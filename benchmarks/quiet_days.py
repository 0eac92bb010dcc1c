"""Whether quiet days are left in peace and days gone wrong are noticed, over two months.

    python -m benchmarks.quiet_days [--days 60] [--home FOLDER]

In: nothing but the installed project. Out: each finding of `health.rpt_findings` on the day that it
appeared, on standard output; exit code 1 when a quiet day has one, when a day gone wrong has none,
or when the day behind it has an anomaly that is not the same: listens that were lost come in on top
of its own.

Every day is a run as `listenhouse run` makes it: an embedded PostgreSQL, a crawl of the
simulator, `dbt build` with all tests of the data. The first is two months ago: the clocks of this
process (time-machine) and of PostgreSQL (libfaketime) are set a day ahead after each. Then days
go wrong, one after the other, with a good day behind each: the API is down, 60 % of the day's
listens are lost, 40 tracks have a date that is none; at last nobody runs for two days, until
now. With --home the warehouse is kept, to look at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from demo.clock import Clock
from operations.daily_run.run import DayOptions, run_day
from operations.services import embedded_postgres
from simulator import World, WorldConfig, create_app, lose_listens, running, spoil_tracks
from warehouse.errors import ListenhouseError
from warehouse.process_environment import prepare_environment
from warehouse.settings import Settings

POSTGRES_PORT = 25494
# three that go wrong, a good one behind each, two on which nobody runs
DAYS_AFTER = 8

Findings = dict[str, str]


def main() -> None:
    """Runs the days and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--home", type=Path, help="an empty folder to keep the warehouse in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=options.home or Path(folder) / "home", embedded_port=POSTGRES_PORT)
        prepare_environment(settings.but(external_database_url=settings.database_url))
        os.environ |= {
            "DBT_TARGET_PATH": str(settings.home / "target"),
            "DBT_LOG_PATH": str(settings.home / "logs"),
            # they see no data, so every day of them is the same
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        }
        clock = Clock(Path(folder) / "clock", options.days + DAYS_AFTER)
        clock.start_postgres(settings)
        try:
            sys.exit(1 if _run_days(settings, clock, options.days) else 0)
        finally:
            embedded_postgres.stop(settings)


def _run_days(settings: Settings, clock: Clock, days: int) -> int:
    """Runs the quiet days and those gone wrong; returns how many were judged wrongly."""
    app = create_app(World.at(0, WorldConfig()))
    mistakes = 0
    day = 0
    with running(app) as url:
        settings = settings.but(external_api_url=url, trigger="benchmark")
        # a port that nobody listens on
        nowhere = "http://127.0.0.1:9"
        known: Findings = {}

        def live(
            title: str, *, api: bool = True, change: Callable[[World], World] | None = None
        ) -> Findings:
            nonlocal day, known
            world = app.state.world
            app.state.world = change(world) if change else world
            with clock.set_to(day):
                try:
                    run_day(
                        settings if api else settings.but(external_api_url=nowhere),
                        DayOptions(),
                    )
                except ListenhouseError as error:
                    print(f"day {day}: {str(error).splitlines()[0]}")
                found = _read_findings(settings)
            new = {key: message for key, message in found.items() if key not in known}
            for message in new.values():
                print(f"day {day} ({title}): {message}")
            for key in known.keys() - found.keys():
                print(f"day {day} ({title}): no longer {key}")
            sys.stdout.flush()
            known = found
            app.state.world = world.advance()
            day += 1
            return new

        for _ in range(days):
            mistakes += bool(live("quiet"))
        print(f"{mistakes} of {days} quiet days with a false alarm\n")
        gone_wrong: dict[str, Callable[[], Findings]] = {
            "API down": lambda: live("API down", api=False),
            "60 % of listens lost": lambda: live(
                "60 % lost", change=lambda w: lose_listens(w, 0.6)
            ),
            "40 bad tracks": lambda: live("40 bad tracks", change=lambda w: spoil_tracks(w, 40)),
        }
        for title, break_day in gone_wrong.items():
            found = break_day()
            print(f"{title}: {len(found)} findings\n")
            mistakes += not found
            mistakes += any(key.startswith("anomaly|") for key in live("a good day"))
        day += 2
        with clock.set_to(day):
            found = _read_findings(settings)
        print("nobody ran for two days:", *found.values(), sep="\n  ")
        mistakes += not found
    return mistakes


def _read_findings(settings: Settings) -> Findings:
    with psycopg.connect(settings.database_url) as connection:
        return dict(
            connection.execute(
                "select finding_key, severity || ': ' || message from health.rpt_findings"
                " order by severity, finding_key"
            ).fetchall()
        )


if __name__ == "__main__":
    main()
