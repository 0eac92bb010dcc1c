"""Which charts the health page has, and what stands beside each.

In: a `HealthData`. Out: panels of a title, a sentence and a drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from markupsafe import Markup

from monitoring import wording
from monitoring.health_page.data import EndpointRequestsRow, HealthData, Run, StepTime, Volume
from monitoring.health_page.tables import in_order
from monitoring.health_page.verdict import count_tests, run_tone
from monitoring.page.svg_charts import Bar, Caption, Share, bar_chart, share_bar

USUAL_RUNS = 5
"""From how many runs on a step has a usual range: the seed's `step_slow`, as a test checks."""


_CHARTED_DAYS = 3
"""From how many days on a line says more than its figures."""


@dataclass(frozen=True)
class Panel:
    """A chart and its words.

    Attributes:
        title: What it is about.
        reading: What there is to see, in a sentence.
        drawing: The chart; empty where there are too few days for one.
        anomalies: Days of it that were not like the others, newest first.
    """

    title: str
    reading: str
    drawing: Markup
    anomalies: Sequence[Volume] = ()


def days_missing(days: Sized) -> str:
    """How many days more a line needs, in a sentence; empty where there are enough."""
    missing = _CHARTED_DAYS - len(days)
    return f"The chart needs {wording.counted(missing, 'more day')}." if missing > 0 else ""


def draw_runs(data: HealthData) -> Markup:
    """The runs as bars of their duration, coloured by how they ended."""
    longest = max((run.duration_seconds or 0 for run in data.runs), default=0)
    divisor, unit = _time_unit(longest)
    steps = {
        run_id: ", ".join(
            f"{step.step_name} {wording.duration(step.duration_seconds)}" for step in group
        )
        for run_id, group in groupby(data.steps, lambda step: step.run_id)
    }
    bars = [
        Bar(
            value=_divided(run.duration_seconds, divisor),
            label=f"{wording.moment(run.started_at)}: {run.status}, "
            f"{wording.duration(run.duration_seconds)}"
            + (f" ({steps[run.run_id]})" if run.run_id in steps else ""),
            tone=run_tone(run),
            link=f"#run-{run.run_id}",
        )
        for run in data.runs
    ]
    return bar_chart(
        Caption(
            "runs-chart",
            "Duration of the last runs",
            f"{count_runs(data.runs)}; the longest took {wording.duration(longest)}.",
        ),
        bars,
        _run_labels(data.runs),
        unit,
        height=110,
    )


def count_runs(runs: Sequence[Run]) -> str:
    """How many runs succeeded; one that is under way has not failed."""
    running = sum(run.status == "running" for run in runs)
    succeeded = sum(run.status == "succeeded" for run in runs)
    counted = f"{succeeded} of {wording.counted(len(runs) - running, 'run')} succeeded"
    return f"{counted}, {running} is running" if running else counted


def draw_steps(data: HealthData) -> list[Panel]:
    """One panel per step, in the order in which runs take them."""
    # not each run takes them all
    positions: dict[str, int] = {}
    for _, taken in groupby(data.steps, lambda step: step.run_id):
        for position, step in enumerate(taken):
            positions[step.step_name] = max(position, positions.get(step.step_name, 0))
    return [
        _step_panel(
            name, data.runs, {step.run_id: step for step in data.steps if step.step_name == name}
        )
        for name in sorted(positions, key=lambda name: positions[name])
    ]


def draw_requests(data: HealthData) -> list[Panel]:
    """One panel per endpoint: latencies of the runs."""
    endpoints = in_order({each.endpoint for each in data.requests})
    return [
        _request_panel(
            name, data.runs, {each.run_id: each for each in data.requests if each.endpoint == name}
        )
        for name in endpoints
    ]


def draw_tests(data: HealthData) -> Markup:
    """The tests of the last build as one bar."""
    counts = count_tests(data.nodes)
    words = {"good": "passed", "warn": "warned", "bad": "failed", "none": "not run"}
    return share_bar(
        Caption(
            "tests-chart", ", ".join(f"{counts[tone]:,} {word}" for tone, word in words.items())
        ),
        [Share(counts[tone], f"{counts[tone]:,} {word}", tone) for tone, word in words.items()],
    )


def _step_panel(name: str, runs: Sequence[Run], steps: Mapping[UUID, StepTime]) -> Panel:
    seconds = [
        each or 0 for step in steps.values() for each in (step.duration_seconds, _usual_limit(step))
    ]
    divisor, unit = _time_unit(max(seconds))
    last_run = _last_of(runs, steps)
    last = steps[last_run.run_id]
    reading = f"{wording.duration(last.duration_seconds)} {_when(last_run, runs)}"
    if last.status != "succeeded":
        reading += f", {last.status}"
    limit = _usual_limit(last)
    if limit is None:
        missing = wording.counted(USUAL_RUNS - last.usual_count, "more run")
        reading += f"; the usual range needs {missing}"
    else:
        usual = wording.duration(last.median_seconds)
        reading += f"; usually {usual}, 95 % up to {wording.duration(limit)}"
    slow = sum(step.is_slow for step in steps.values())
    return Panel(
        title=wording.name(name).capitalize(),
        reading=f"{reading}.",
        drawing=bar_chart(
            Caption(
                f"step-{identity_of(name)}",
                f"Duration of step {name}",
                f"{reading}. {wording.counted(slow, 'slow run')}.",
            ),
            [
                _step_bar(run, steps[run.run_id], divisor) if run.run_id in steps else None
                for run in runs
            ],
            _run_labels(runs),
            unit,
        ),
    )


def _step_bar(run: Run, step: StepTime, divisor: float) -> Bar:
    label = f"{wording.moment(run.started_at)}: {step.status}"
    label += f", {wording.duration(step.duration_seconds)}"
    if step.is_slow:
        label += ", slow"
    limit = _usual_limit(step)
    if limit is not None:
        label += f"; p95 before it {wording.duration(limit)}"
    return Bar(
        value=_divided(step.duration_seconds, divisor),
        label=label,
        tone=_step_tone(step),
        limit=_divided(limit, divisor),
    )


def _usual_limit(step: StepTime) -> float | None:
    """The 95th percentile of the runs before; None while they are too few to have one."""
    return step.p95_seconds if step.usual_count >= USUAL_RUNS else None


def _step_tone(step: StepTime) -> str:
    if step.status in {"failed", "died"}:
        return "bad"
    if step.status == "interrupted" or step.is_slow:
        return "warn"
    return "plain"


def _request_panel(
    name: str, runs: Sequence[Run], asked: Mapping[UUID, EndpointRequestsRow]
) -> Panel:
    divisor, unit = _time_unit(max(each.latency_p95_seconds or 0 for each in asked.values()))
    last_run = _last_of(runs, asked)
    last = asked[last_run.run_id]
    retried = f"{last.retry_count:,} tried again" if last.retry_count else "none tried again"
    reading = (
        f"{wording.counted(last.request_count, 'request')} {_when(last_run, runs)}, {retried}; "
        f"half took up to {wording.latency(last.latency_p50_seconds)}, 95 % up to "
        f"{wording.latency(last.latency_p95_seconds)}, the longest "
        f"{wording.latency(last.latency_max_seconds)}"
    )
    return Panel(
        title=wording.name(name).capitalize(),
        reading=f"{reading}.",
        drawing=bar_chart(
            Caption(
                f"requests-{identity_of(name)}", f"Latency of {wording.name(name)}", f"{reading}."
            ),
            [
                _request_bar(run, asked[run.run_id], divisor) if run.run_id in asked else None
                for run in runs
            ],
            _run_labels(runs),
            unit,
        ),
    )


def _request_bar(run: Run, asked: EndpointRequestsRow, divisor: float) -> Bar:
    return Bar(
        value=_divided(asked.latency_p95_seconds, divisor),
        base=_divided(asked.latency_p50_seconds, divisor) or 0,
        label=f"{wording.moment(run.started_at)}: "
        f"{wording.counted(asked.request_count, 'request')}, {asked.retry_count:,} tried again; "
        f"p50 {wording.latency(asked.latency_p50_seconds)}, "
        f"p95 {wording.latency(asked.latency_p95_seconds)}, "
        f"longest {wording.latency(asked.latency_max_seconds)}",
        tone="warn" if asked.retry_count else "plain",
    )


def _time_unit(longest: float) -> tuple[float, Callable[[float], str]]:
    """The unit that durations up to the longest are drawn in: its seconds, and its ticks."""
    units = ((3600.0, 7200.0, "h"), (60.0, 180.0, "min"), (1.0, 0.5, "s"), (0.001, 0.0, "ms"))
    seconds, name = next((size, name) for size, least, name in units if longest >= least)
    return seconds, lambda value: f"{value:g} {name}"


def _divided(seconds: float | None, divisor: float) -> float | None:
    return None if seconds is None else seconds / divisor


def _last_of(runs: Sequence[Run], known: Container[UUID]) -> Run:
    return next(run for run in reversed(runs) if run.run_id in known)


def _when(run: Run, runs: Sequence[Run]) -> str:
    return "in the last run" if run is runs[-1] else f"on {wording.moment(run.started_at)}"


def _run_labels(runs: Sequence[Run]) -> list[str]:
    """What runs are called below an axis: their day, or their time when all are of one day."""
    if len({run.started_at.date() for run in runs}) <= 1:
        return [f"{run.started_at:%H:%M}" for run in runs]
    return [wording.short_day(run.started_at) for run in runs]


def identity_of(*names: str) -> str:
    """Of a drawing in its page; whatever the names hold."""
    return "-".join("".join(each if each.isalnum() else "-" for each in name) for name in names)
