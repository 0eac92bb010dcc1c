"""Volumes of the health page: how much came each day, in the band that was expected.

In: a `HealthData`. Out: panels of the volumes that matter most, small traces of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from markupsafe import Markup

from monitoring import wording
from monitoring.health_page.charts import Panel, days_missing, identity_of
from monitoring.health_page.data import HealthData, Volume
from monitoring.health_page.tables import in_order
from monitoring.health_page.verdict import severity_tone
from monitoring.page.svg_charts import Caption, Point, band_chart, sparkline

CHARTED = (
    ("listens_new", "fct_listens"),
    ("records_landed", "users"),
    ("records_landed", "tracks"),
    ("records_landed", "listen_history"),
)
"""Metric and subject of the volumes that get a chart; the others get a line."""

METRIC_LABELS = {
    "records_reported": "records reported",
    "records_landed": "records landed",
    "versions_new": "new versions",
    "versions_closed": "closed versions",
    "records_duplicate": "identical duplicates",
    "records_rejected": "rejected records",
    "listens_new": "new listens",
}
"""What people call the metrics, in the order of the page."""

_MAX_NAMED_DAYS = 5
_DAY_STEPS = (1, 2, 7, 14, 28)
_THOUSAND, _MILLION = 1_000, 1_000_000


@dataclass(frozen=True)
class Trace:
    """A series of volumes as a cell of a table: its last day, and a small drawing."""

    last: Volume
    drawing: Markup


@dataclass(frozen=True)
class Traces:
    """A metric as a row of that table.

    Attributes:
        label: What is counted.
        cells: By subject; None where it is not counted.
    """

    label: str
    cells: Sequence[Trace | None]


@dataclass(frozen=True)
class _Days:
    """The days of all volumes: one axis, so that charts can be read below each other."""

    first: date
    last: date

    def place(self, on: date) -> float:
        """Where a day stands, from 0 to 1; one day alone in the middle."""
        days = (self.last - self.first).days
        return (on - self.first).days / days if days else 0.5

    def round_days(self) -> list[date]:
        """Days to name: each or each second one, or each Monday, second or fourth Monday."""
        named: list[date] = []
        for step in _DAY_STEPS:
            monday = timedelta(days=-self.first.weekday() % 7)
            start = self.first + monday if step % 7 == 0 else self.first
            named = [
                start + timedelta(days=passed)
                for passed in range(0, (self.last - start).days + 1, step)
            ]
            if len(named) <= _MAX_NAMED_DAYS:
                break
        return named


def draw_volumes(data: HealthData) -> list[Panel]:
    """One panel for each of the volumes that matter most."""
    days = _measured_days(data)
    return [_volume_panel(series, days) for key, series in _series(data) if key in CHARTED]


def trace_volumes(data: HealthData) -> tuple[list[str], list[Traces]]:
    """The other volumes as a table: its subjects, and a row per metric."""
    days = _measured_days(data)
    series = {key: each for key, each in _series(data) if key not in CHARTED}
    subjects = in_order({subject for _, subject in series})
    metrics = list(dict.fromkeys([*METRIC_LABELS, *(metric for metric, _ in series)]))
    return subjects, [
        Traces(
            METRIC_LABELS.get(metric, wording.name(metric)).capitalize(),
            [_trace(series.get((metric, subject)), days) for subject in subjects],
        )
        for metric in metrics
        if any(metric == each for each, _ in series)
    ]


def compact(value: float) -> str:
    """A value along an axis: `800`, `20k`, `1.5M`."""
    for size, letter in ((_MILLION, "M"), (_THOUSAND, "k")):
        if abs(value) >= 10 * _THOUSAND and abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:,g}"


def _series(data: HealthData) -> list[tuple[tuple[str, str], list[Volume]]]:
    """Volumes by metric and subject: those with a chart first, in their order."""
    series = {
        key: list(group)
        for key, group in groupby(data.volumes, lambda each: (each.metric_name, each.subject))
    }
    first = {key: series.pop(key) for key in CHARTED if key in series}
    return list((first | series).items())


def _measured_days(data: HealthData) -> _Days:
    days = [each.measured_date for each in data.volumes]
    return _Days(min(days, default=date.min), max(days, default=date.min))


def _trace(series: Sequence[Volume] | None, days: _Days) -> Trace | None:
    if not series:
        return None
    last = series[-1]
    return Trace(
        last,
        Markup()
        if days_missing(series)
        else sparkline(
            Caption(
                f"trace-{identity_of(last.metric_name, last.subject)}",
                f"{_title(last)}, {wording.counted(len(series), 'day')}",
            ),
            _points(series, days),
        ),
    )


def _volume_panel(series: Sequence[Volume], days: _Days) -> Panel:
    last = series[-1]
    reading = f"{wording.number(last.value)} on {wording.day(last.measured_date)}"
    if last.lower_bound is None or last.upper_bound is None:
        # why the day is not judged stands behind what it came to
        reading += f"; {said(last).partition(', ')[2]}"
    else:
        reading += f", expected {expected_range(last)}"
    anomalies = [each for each in reversed(series) if each.is_anomaly]
    missing = days_missing(series)
    return Panel(
        title=_title(last),
        reading=f"{reading}. {missing}".strip(),
        drawing=Markup()
        if missing
        else band_chart(
            Caption(
                f"volume-{identity_of(last.metric_name, last.subject)}",
                _title(last),
                f"{reading}. {len(anomalies)} of {wording.counted(len(series), 'day')} "
                "were not as expected.",
            ),
            _points(series, days),
            [(days.place(each), wording.short_day(each)) for each in days.round_days()],
            compact,
        ),
        anomalies=anomalies,
    )


def expected_range(volume: Volume) -> str:
    """Between which values a day was expected."""
    if volume.lower_bound is None or volume.upper_bound is None:
        return wording.NOTHING
    lowest, highest = f"{volume.lower_bound:,.0f}", f"{volume.upper_bound:,.0f}"
    return lowest if lowest == highest else f"{lowest}–{highest}"


def said(volume: Volume) -> str:
    """The judgement of a day, without the subject that it begins with."""
    return wording.together(volume.reason.removeprefix(f"{volume.subject}: "))


def _points(series: Sequence[Volume], days: _Days) -> list[Point]:
    return [
        Point(
            place=days.place(each.measured_date),
            value=each.value,
            label=f"{wording.day(each.measured_date)}: {said(each)}",
            low=each.lower_bound,
            high=each.upper_bound,
            tone=severity_tone(each.severity) if each.is_anomaly else "",
            points_up=each.direction == "above",
        )
        for each in series
    ]


def _title(volume: Volume) -> str:
    if (volume.metric_name, volume.subject) == CHARTED[0]:
        return "New listens"
    label = METRIC_LABELS.get(volume.metric_name, wording.name(volume.metric_name))
    return f"{wording.name(volume.subject)}: {label}".capitalize()
