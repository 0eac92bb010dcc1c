"""One day, as `daily_steps` declares it: whole, from where it failed, or one step of it.

In: settings. Out: a warehouse that is one crawl further, and a short report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from operations.daily_run.garbage_collection import without_collections
from operations.daily_run.heartbeat import Signal, heartbeats, ping
from operations.daily_run.parse_ahead import Parsing, parsing_ahead
from operations.daily_run.time_limit import time_limit
from operations.daily_run.unfinished_run import find_resume_point
from operations.services.simulator_process import today
from operations.services.start_stop import start_postgres, start_source
from warehouse.daily_steps import ALERTS, DATABASE, FEED, LAKE, Step
from warehouse.database import connect
from warehouse.errors import (
    DatabaseError,
    KafkaError,
    LakeError,
    ShrunkSourceError,
    SimulatorError,
    SourceError,
    StepTimedOutError,
)
from warehouse.ops.run_record import RESUME, RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.run_log import get_logger
from warehouse.settings import MANUAL, Settings

if TYPE_CHECKING:
    from ingestion.landing.load import LoadReport
    from lake.publish import Report as LakeReport
    from operations.daily_run.dbt_build import BuildReport
    from recommender.recommend import RecommendReport
    from recommender.retrain import RetrainReport
    from streams.publisher import Published

_logger = get_logger(__name__)

COMMAND = "listenhouse run"

_MAX_WAIT = 3600

_IMPORTED_AHEAD = ("ingestion.load_command", "operations.daily_run.dbt_build")
_IMPORTED_TO_RECOMMEND = "recommender.retrain"


@dataclass
class RunReport:
    """What a run did; filled step by step.

    Attributes:
        nothing_to_resume: Why a run that should go on did nothing; None for all others.
        load: What was landed.
        build: What was built.
        listen_count: Rows of `marts.fct_listens`.
        training: What asked for a training, and what came of it; None where nothing recommends.
        recommendations: What was recommended; None where nothing recommends.
        feed: What was published to Kafka; None where there is no feed, or it is late.
        feed_is_late: Why the feed is late; None where it is not.
        lake: What was brought to the lake; None where there is none.
        seconds: Duration by step, in order.
    """

    nothing_to_resume: str | None = None
    load: LoadReport | None = None
    build: BuildReport | None = None
    listen_count: int = 0
    training: RetrainReport | None = None
    recommendations: RecommendReport | None = None
    feed: list[Published] | None = None
    feed_is_late: str | None = None
    lake: LakeReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DayOptions:
    """How a day is run, where not as every day.

    Attributes:
        accept_shrink: Land the crawl even when the source holds far less than before.
        full_audit: Have the data tests read all rows, not only what was built of late.
        resume: Go on where the last run, of the last 20 hours, failed.
        only: The one step to run.
        tested: Run the data tests; without them, what is built is published as it is.
    """

    accept_shrink: bool = False
    full_audit: bool = False
    resume: bool = False
    only: str | None = None
    tested: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether it is more than one step.

        A scheduler that runs single steps repeats them itself, and knows better than one of them
        how the day went.
        """
        return self.only is None


@dataclass(frozen=True)
class _Day:
    """A day under way.

    Attributes:
        settings: Source and warehouse.
        record: The run's record.
        report: What was done so far.
        options: How it is run.
        parsing: dbt's first parse of the project, where that is under way.
        tell: Tells people of a failure that the run cannot come back from.
    """

    settings: Settings
    record: RunRecord
    report: RunReport
    options: DayOptions
    parsing: Parsing | None
    tell: Callable[[Exception], None]


def run_day(
    settings: Settings,
    options: DayOptions,
    tell: Callable[[Exception], None] = lambda _error: None,
) -> RunReport:
    """Runs a day, step after step; a step that fails ends it.

    Args:
        settings: Source and warehouse.
        options: How it is run.
        tell: Tells people of a failure that the run cannot come back from.

    Returns:
        What was done.

    Raises:
        ListenhouseError: A step failed; says which, why and what to do.
    """
    command = COMMAND + (RESUME if options.resume else "")
    command += f" --step {options.only}" if options.only else ""
    record = RunRecord(settings, command)
    steps = [step for step in settings.steps if step.name == options.only or options.is_whole]
    steps = [step for step in steps if step.name != ALERTS]
    of_day = settings if options.is_whole else None
    parsing_first = parsing_ahead() if options.is_whole else nullcontext()
    with record.logged(), heartbeats(of_day, record.run_id) as begin, parsing_first as parsing:
        day = _Day(settings, record, RunReport(), options, parsing, tell)
        _run_steps(day, steps, begin)
    return day.report


def _run_steps(day: _Day, steps: Sequence[Step], begin: Callable[[], None]) -> None:
    if steps[0].name == DATABASE:
        _execute(day, steps[0], partial(_reach_database, day))
    to_do = [step for step in steps if step.name != DATABASE]
    # held until the marts stand, so that no second run lands or builds in between
    with hold_run_lock(day.settings) as lock, day.record.run():
        if day.options.resume:
            found = find_resume_point(lock, to_do)
            if isinstance(found, str):
                day.report.nothing_to_resume = found
                return
            to_do = to_do[to_do.index(found) :]
        day.record.begin()
        begin()
        for step in to_do:
            if not step.is_recommending or _recommends(day):
                _execute(day, step, partial(_ACTIONS[step.name], day, lock))
        day.report.seconds = day.record.seconds


def _recommends(day: _Day) -> bool:
    """Whether the recommender is wanted, and reads the marts that everybody reads.

    Those of a developer's own target are not for it.
    """
    built = day.report.build
    return day.settings.recommends and (built is None or built.marts_schema == "marts")


def _execute(day: _Day, step: Step, action: Callable[[], None]) -> None:
    """Runs a step within its time, and again where that can help."""

    def log_retry(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _logger.warning(
            "step tried again",
            step=step.name,
            attempt=state.attempt_number,
            most_attempts=1 + step.retries,
            wait_seconds=round(state.upcoming_sleep, 1),
            cause=str(error),
        )

    def give_up(error: StepTimedOutError) -> None:
        day.record.fail(str(error))
        if day.options.is_whole:
            ping(day.settings, Signal.FAIL, day.record.run_id)
        day.tell(error)

    tries = Retrying(
        stop=stop_after_attempt(1 + step.retries),
        wait=wait_exponential(multiplier=day.settings.step_retry_seconds, max=_MAX_WAIT),
        retry=retry_if_exception(partial(_may_pass, day, step)),
        before_sleep=log_retry,
        reraise=True,
    )
    for attempt in tries:
        with attempt, time_limit(step, give_up):
            action()


def _may_pass(day: _Day, step: Step, error: BaseException) -> bool:
    """Whether to wait and try again: where nobody watches, and nothing has to be mended first.

    A person sees the failure and decides. Who lost the database has lost the run's lock, too.
    """
    if day.settings.trigger == MANUAL or not day.options.is_whole:
        return False
    if isinstance(error, DatabaseError):
        return step.name == DATABASE
    return isinstance(error, SourceError | SimulatorError | LakeError) and not isinstance(
        error, ShrunkSourceError
    )


def _reach_database(day: _Day) -> None:
    with day.record.step(DATABASE):
        start_postgres(day.settings)
        connect(day.settings, "listenhouse run").close()


# The libraries of a step take seconds to import: while the simulator starts, where there is one,
# and only for the steps that a command runs.


def _start_source(day: _Day, lock: psycopg.Connection) -> None:
    from ingestion.landing.crawl_ledger import crawl_dates  # noqa: PLC0415
    from ingestion.sources.moovitamix import LANDING_SCHEMA  # noqa: PLC0415

    with day.record.step("source"):
        crawled_on = [*crawl_dates(lock, LANDING_SCHEMA), today()]
        ahead = partial(_import_steps, day.settings) if day.options.is_whole else None
        start_source(day.settings, crawled_on, ahead)


def _import_steps(settings: Settings) -> None:
    with without_collections():
        for module in _IMPORTED_AHEAD:
            import_module(module)
        if settings.recommends:
            import_module(_IMPORTED_TO_RECOMMEND)


def _load(day: _Day, lock: psycopg.Connection) -> None:
    from ingestion.load_command import load_with_progress  # noqa: PLC0415

    with day.record.step("load"):
        day.report.load = load_with_progress(
            day.settings, lock, day.record, accept_shrink=day.options.accept_shrink
        )


def _build(day: _Day, lock: psycopg.Connection) -> None:
    from operations.daily_run.dbt_build import build  # noqa: PLC0415

    with day.record.step("build"):
        if day.options.is_whole and day.settings.recommends:
            from recommender.registry import import_mlflow  # noqa: PLC0415

            # while dbt waits for the database
            Thread(target=import_mlflow, daemon=True).start()
        if day.parsing is not None:
            day.parsing.wait()
        day.report.build = build(
            day.record, lock, tested=day.options.tested, full_audit=day.options.full_audit
        )
    table = sql.Identifier(day.report.build.marts_schema, "fct_listens")
    row = lock.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    day.report.listen_count = int(row[0]) if row else 0


def _retrain(day: _Day, lock: psycopg.Connection) -> None:
    from recommender.retrain import retrain_if_needed  # noqa: PLC0415

    day.report.training = retrain_if_needed(day.settings, lock, day.record)


def _recommend(day: _Day, lock: psycopg.Connection) -> None:
    from recommender.recommend import recommend  # noqa: PLC0415

    day.report.recommendations = recommend(day.settings, lock, day.record)


def _publish_feed(day: _Day, lock: psycopg.Connection) -> None:
    from operations.change_feed import publish_feed  # noqa: PLC0415

    try:
        with day.record.step(FEED):
            day.report.feed = publish_feed(day.settings, lock)
    except KafkaError as error:
        # the step has failed and is a finding; the day has not
        day.report.feed_is_late = str(error)


def _publish_to_lake(day: _Day, lock: psycopg.Connection) -> None:
    from operations.lakehouse import publish_to_lake  # noqa: PLC0415

    with day.record.step(LAKE):
        day.report.lake = publish_to_lake(day.settings, lock)


_ACTIONS = {
    "source": _start_source,
    "load": _load,
    "build": _build,
    "retrain": _retrain,
    "recommend": _recommend,
    FEED: _publish_feed,
    LAKE: _publish_to_lake,
}
