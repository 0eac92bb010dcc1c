"""Whether recommendations prove themselves, over two weeks of a simulated world.

    python -m benchmarks.recommending_days [--days 14] [--tasteless] [--home FOLDER]

In: nothing but the installed project. Out: a line per day (what was trained and why, what the gate
decided, who recommends), the lift of each model over popularity, and what the API answered
meanwhile, on standard output; exit code 1 when something of it is not as it has to be.

Every day is a run as `listenhouse run` makes it: an embedded PostgreSQL, a crawl of the simulator,
`dbt build`, a training when a trigger fires (the schedule every third day), lists for everybody.
The clocks of this process and of PostgreSQL are set a day ahead after each. `listenhouse serve`
runs all the time, and is asked for the lists of users at random, some times a second; from the
first list on it has to have one. With tastes, a model has to be promoted over popularity, another
one refused, and the lift of what was promoted has to be above zero; with
`--tasteless` nobody's listens say anything of the next, and popularity has to stay champion. With
--home the warehouse and its health page are kept, to look at.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import psycopg
import requests
from psycopg.rows import dict_row

from demo.clock import Clock
from demo.day_summary import describe_day
from monitoring.health_page.page import write_page
from operations.daily_run.run import DayOptions, run_day
from operations.services import embedded_postgres
from operations.services.ports import is_port_taken
from simulator import World, WorldConfig, create_app, running
from warehouse.process_environment import prepare_environment
from warehouse.settings import RetrainTriggers, Settings

POSTGRES_PORT, API_PORT = 25495, 25496
SECONDS_BETWEEN_REQUESTS = 0.2
LIST_LENGTH = 20
DAYS_BETWEEN_TRAININGS = 3


def main() -> None:
    """Runs the days and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--tasteless", action="store_true", help="listens that follow no taste")
    parser.add_argument("--home", type=Path, help="an empty folder to keep the warehouse in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            home=options.home or Path(folder) / "home",
            embedded_port=POSTGRES_PORT,
            serving_port=API_PORT,
            trigger="benchmark",
            # by the shipped schedule, seven days, there would be one decision to look at
            retrain=RetrainTriggers(days=DAYS_BETWEEN_TRAININGS),
        )
        prepare_environment(settings.but(external_database_url=settings.database_url))
        os.environ |= {
            "DBT_TARGET_PATH": str(settings.home / "target"),
            "DBT_LOG_PATH": str(settings.home / "logs"),
            # they see no data, so every day of them is the same
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        }
        clock = Clock(Path(folder) / "clock", options.days)
        clock.start_postgres(settings)
        try:
            with _served(settings) as answers:
                _run_days(settings, clock, options.days, tastes=not options.tasteless)
            problems = _judge(settings, tastes=not options.tasteless)
            problems += _judge_answers(answers)
            write_page(settings, settings.health_page_file)
        finally:
            embedded_postgres.stop(settings)
    print(*(f"WRONG: {problem}" for problem in problems), sep="\n")
    sys.exit(1 if problems else 0)


@dataclass
class Answers:
    """What the API answered.

    Attributes:
        statuses: Of each answer, in order.
        torn: Lists that are not whole.
        seconds: How long each took.
    """

    statuses: list[int] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@contextmanager
def _served(settings: Settings) -> Iterator[Answers]:
    """Runs the API, and asks it for lists as long as the block runs."""
    command = [str(Path(sys.executable).parent / "listenhouse"), "serve", "--port", str(API_PORT)]
    answers, is_over = Answers(), threading.Event()
    with (
        ThreadPoolExecutor(1) as threads,
        subprocess.Popen(command, stdout=subprocess.DEVNULL) as server,
    ):
        try:
            while not is_port_taken(API_PORT):
                if server.poll() is not None:
                    sys.exit("`listenhouse serve` did not start.")
                time.sleep(SECONDS_BETWEEN_REQUESTS)
            asking = threads.submit(_ask, settings, answers, is_over)
            yield answers
            is_over.set()
            # what it met beside answers ends this, too
            asking.result()
        finally:
            is_over.set()
            server.terminate()


def _ask(settings: Settings, answers: Answers, is_over: threading.Event) -> None:
    session, chance = requests.Session(), random.Random(1)  # noqa: S311 (no secret)
    users: list[str] = []
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        while not is_over.wait(SECONDS_BETWEEN_REQUESTS):
            if not users:
                users = _read_users(connection)
            user = chance.choice(users or ["nobody"])
            begin = time.perf_counter()
            answer = session.get(
                f"http://127.0.0.1:{API_PORT}/v1/users/{user}/recommendations", timeout=30
            )
            answers.seconds.append(time.perf_counter() - begin)
            answers.statuses.append(answer.status_code)
            if answer.ok:
                items = answer.json()["items"]
                tracks = {item["track_id"] for item in items}
                ranks = [item["rank"] for item in items]
                if len(tracks) != LIST_LENGTH or ranks != list(range(1, LIST_LENGTH + 1)):
                    answers.torn.append(f"{user}: {items}")


def _read_users(connection: psycopg.Connection) -> list[str]:
    row = connection.execute(
        "select to_regclass('recommendations.recommendations') is not null"
    ).fetchone()
    if not row or not row[0]:
        return []
    rows = connection.execute("select distinct user_id from recommendations.recommendations")
    return [row[0] for row in rows]


def _run_days(settings: Settings, clock: Clock, days: int, *, tastes: bool) -> None:
    app = create_app(World.at(0, WorldConfig(tastes=tastes)))
    with running(app) as url:
        settings = settings.but(external_api_url=url)
        for day in range(days):
            with clock.set_to(day):
                report = run_day(settings, DayOptions())
            print(f"day {day}: {describe_day(report)}", flush=True)
            app.state.world = app.state.world.advance()


def _judge(settings: Settings, *, tastes: bool) -> list[str]:
    """Prints decisions and lifts; returns what is not as it has to be."""
    with psycopg.connect(settings.database_url, row_factory=dict_row) as connection:
        decisions = Counter(
            row["decision"]
            for row in connection.execute(
                "select decision from recommendations.promotions where from_version is not null"
            )
        )
        lifts = connection.execute(
            """
            select model_version, user_count, conversion_rate, shadow_conversion_rate, lift,
                lift_lower, lift_upper
            from marts.rpt_model_lift
            order by model_version
            """
        ).fetchall()
        champion = connection.execute(
            "select model_version from recommendations.batches order by for_date desc limit 1"
        ).fetchone()
    print(f"decisions after the first champion: {dict(decisions)}")
    for lift in lifts:
        print(
            "version {model_version}: {conversion_rate:.2%} of what was recommended was listened"
            " to, of popularity {shadow_conversion_rate:.2%}; lift {lift:+.2%} ({lift_lower:+.2%}"
            " to {lift_upper:+.2%}, {user_count:,} users)".format(**lift)
        )
    if not tastes:
        is_popularity = champion is not None and champion["model_version"] == "1"
        return [] if is_popularity else ["popularity is not champion in a world without tastes"]
    problems = [
        f"no model was {decision}"
        for decision in ("promoted", "refused")
        if not decisions[decision]
    ]
    promoted = [lift for lift in lifts if lift["model_version"] != "1"]
    if not any(lift["lift_lower"] > 0 for lift in promoted):
        problems.append("no promoted model has a lift above zero")
    return problems


def _judge_answers(answers: Answers) -> list[str]:
    """Prints what the API answered; returns what is not as it has to be."""
    ordered = sorted(answers.seconds)
    if HTTPStatus.OK not in answers.statuses:
        return ["the API never answered with a list"]
    first = answers.statuses.index(HTTPStatus.OK)
    before, since = Counter(answers.statuses[:first]), Counter(answers.statuses[first:])
    print(
        f"the API answered {len(ordered):,} times, {dict(before)} before the first list and"
        f" {dict(since)} from it on, in"
        f" {ordered[len(ordered) // 2] * 1000:.0f} ms in the middle,"
        f" {ordered[int(len(ordered) * 0.99)] * 1000:.0f} ms at the 99th percentile"
    )
    # before the first lists, nobody is known and no table is there
    unwell = {*before} - {404, 503} | {*since} - {HTTPStatus.OK}
    problems = [f"the API answered {status}" for status in sorted(unwell)]
    return problems + [f"a list is not whole: {torn}" for torn in answers.torn[:5]]


if __name__ == "__main__":
    main()
