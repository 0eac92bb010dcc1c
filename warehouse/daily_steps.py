"""The steps of a day: their order, how long each may take, how often it is tried again.

In: nothing, or what the settings change. Out: the one declaration that `listenhouse run` executes
and that schedulers read by `listenhouse steps --json`. What a step does is in `daily_run`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from pydantic import BeforeValidator

MAX_SECONDS = 86_400
MAX_RETRIES = 20


@dataclass(frozen=True)
class Step:
    """A step of the daily run.

    Attributes:
        name: What `--step` and the record in `ops` call it.
        description: What it does, in a sentence.
        timeout_seconds: When it is ended, recorded as failed, and told.
        retries: How often it is tried again when it fails.
        records: Names that it has in `ops.steps`, where it writes more than one row.
        resumes_at: The step that a resumed run begins at when this one failed, where that is
            another one: what this one needs may be gone.
        is_recommending: Whether it is of the recommender, which `LISTENHOUSE_RECOMMEND` switches.
        is_of_lake: Whether it is of the lake, which is there where `LISTENHOUSE_LAKE` is set.
        is_of_feed: Whether it is of the change feed, which `LISTENHOUSE_FEED` switches.
    """

    name: str
    description: str
    timeout_seconds: int
    retries: int
    records: tuple[str, ...] = ()
    resumes_at: str | None = None
    is_recommending: bool = False
    is_of_lake: bool = False
    is_of_feed: bool = False


DATABASE = "database"
ALERTS = "alerts"
LAKE = "lake"
FEED = "feed"

DAILY_STEPS = (
    Step(DATABASE, "Start PostgreSQL where it is ours to start, and reach it.", 300, 3),
    Step("source", "Start the simulator where it is ours to start.", 300, 1),
    Step(
        "load",
        "Crawl the API and land what changed.",
        7200,
        3,
        resumes_at="source",
    ),
    Step("build", "Build and test the models with dbt.", 7200, 1),
    Step(
        "retrain",
        "Train a model when a trigger asks for it.",
        7200,
        1,
        records=("triggers", "retrain"),
        is_recommending=True,
    ),
    Step("recommend", "Compute the lists of the day.", 3600, 1, is_recommending=True),
    # late, it does not fail the day
    Step(FEED, "Publish what changed to Kafka.", 3600, 0, is_of_feed=True),
    # last: what was published stays so, whatever becomes of it
    Step(LAKE, "Bring what was published to the lake.", 3600, 1, is_of_lake=True),
    # follows the others however they ended, and is of no run: it judges how that one was
    Step(ALERTS, "Tell people what is wrong.", 600, 1),
)
"""The steps in order. Each needs those before it."""

_PAIR = re.compile(r"\s*([a-z]+)\s*=\s*(\d{1,9})\s*", re.ASCII)


def changed_steps(
    timeouts: Mapping[str, int],
    retries: Mapping[str, int],
    *,
    recommends: bool,
    has_lake: bool,
    has_feed: bool,
) -> tuple[Step, ...]:
    """The steps as the settings change them.

    Args:
        timeouts: Seconds that a step may take, by its name.
        retries: How often a step is tried again, by its name.
        recommends: Whether the recommender's steps are among them.
        has_lake: Whether the lake's step is.
        has_feed: Whether the change feed's step is.
    """
    return tuple(
        replace(
            step,
            timeout_seconds=timeouts.get(step.name, step.timeout_seconds),
            retries=retries.get(step.name, step.retries),
        )
        for step in DAILY_STEPS
        if (recommends or not step.is_recommending)
        and (has_lake or not step.is_of_lake)
        and (has_feed or not step.is_of_feed)
    )


def parsed_pairs(low: int, high: int) -> BeforeValidator:
    """Takes pairs such as `load=3600,build=1800` apart.

    Args:
        low: Least number.
        high: Greatest number.
    """

    def parse(written: str | dict[str, int]) -> dict[str, int]:
        if not isinstance(written, str):
            return written
        pairs = {}
        for part in written.split(","):
            found = _PAIR.fullmatch(part)
            is_known = found and found[1] in {step.name for step in DAILY_STEPS}
            if not (found and is_known and low <= int(found[2]) <= high):
                raise ValueError(
                    f"has {part.strip()!r}; it must be pairs such as load=3600, separated by "
                    f"commas, of a step ({', '.join(step.name for step in DAILY_STEPS)}) and a "
                    f"whole number from {low} to {high}."
                )
            pairs[found[1]] = int(found[2])
        return pairs

    return BeforeValidator(parse)


def to_json(steps: Sequence[Step], retry_wait_seconds: float) -> str:
    """The steps for schedulers.

    Args:
        steps: Which.
        retry_wait_seconds: First wait before another try, doubled at each further one.
    """
    described = [
        {
            **{key: asdict(step)[key] for key in ("name", "description", "timeout_seconds")},
            "retries": step.retries,
            "retry_wait_seconds": retry_wait_seconds,
            "command": ["listenhouse", "run", "--step", step.name],
        }
        for step in steps
    ]
    return json.dumps(described, indent=2)
