"""The summary: how the warehouse was of late, as a mail that needs no opening of anything.

In: what the health page shows, and a number of days. Out: an HTML mail, with the page itself
attached for its charts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitoring import wording
from monitoring.alerts.delivery import deliver_page
from monitoring.alerts.ledger import record_summary
from monitoring.alerts.message import name_warehouse
from monitoring.alerts.notices import NoticeOutcome, NoticeStatus
from monitoring.alerts.targets import SUMMARY, read_targets
from monitoring.health_page.data import RUNS, HealthData, Run, Volume, read_health
from monitoring.health_page.page import render_page
from monitoring.health_page.verdict import findings_of, judge
from monitoring.health_page.volumes import CHARTED
from warehouse.database import connect
from warehouse.errors import SettingsError
from warehouse.ops.tables import create_tables
from warehouse.settings import Settings

_TEMPLATE = "summary.html.jinja"
_ATTACHMENT = "listenhouse-health.html"
_BARS = "▁▂▃▄▅▆▇█"
_DAYS_DRAWN = 14
_MAX_RUNS = 10


@dataclass(frozen=True)
class Series:
    """What became of a volume.

    Attributes:
        days: The last day that was measured, and those of the period before it that were not as
            expected, newest first.
        drawing: The last two weeks, a bar of text per day.
    """

    days: Sequence[Volume]
    drawing: str


def send_summary(settings: Settings, days: int) -> list[NoticeOutcome]:
    """Sends the summary to each target that has its tag.

    Args:
        settings: Which warehouse, and who is told.
        days: How far back it looks.

    Returns:
        What became of it at each target.

    Raises:
        DatabaseError: The warehouse cannot be reached or read.
        SettingsError: The configuration cannot be used, or no target has the tag.
    """
    targets = read_targets(settings).tagged(SUMMARY)
    if not targets:
        raise SettingsError(
            f"No target of {settings.alerts_config} has the tag {SUMMARY}, so the summary was sent "
            "to nobody: give it to those who are to get one."
        )
    now = datetime.now(UTC)
    with connect(settings, "listenhouse alerts summary") as connection:
        data = read_health(connection)
        create_tables(connection)
        word = judge(data).word.lower()
        title = f"Listenhouse: {word}, {_period(days)} on {name_warehouse(settings)}"
        body = render_summary(settings, data, days, now)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / _ATTACHMENT
            page.write_text(render_page(data, now.replace(tzinfo=None)), encoding="utf-8")
            outcomes = []
            for target in targets:
                error = deliver_page(target, title, body, page)
                status = NoticeStatus.FAILED if error else NoticeStatus.DELIVERED
                outcomes.append(NoticeOutcome(target.name, status, error))
                record_summary(connection, outcomes[-1], now)
    return outcomes


def render_summary(settings: Settings, data: HealthData, days: int, now: datetime) -> str:
    """Writes the mail.

    Args:
        settings: Which warehouse, and where its health page is.
        data: What is known.
        days: How far back it looks.
        now: The time, in UTC.

    Returns:
        An HTML document with its style in its elements, as mail programs want it.
    """
    since = now.replace(tzinfo=None) - timedelta(days=days)
    runs = [run for run in reversed(data.runs) if run.started_at >= since]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": wording.duration,
        "moment": wording.moment,
        "day": wording.day,
    }
    return environment.get_template(_TEMPLATE).render(
        verdict=judge(data),
        findings=findings_of(data),
        runs=runs[:_MAX_RUNS],
        more_runs=len(runs) - _MAX_RUNS,
        succeeded=_count_succeeded(runs),
        volumes=_follow(data.volumes, days),
        warehouse=name_warehouse(settings),
        period=_period(days),
        health_url=settings.health_url,
        attachment=_ATTACHMENT,
        now=now,
    )


def _period(days: int) -> str:
    return "the last day" if days == 1 else f"the last {days} days"


def _count_succeeded(runs: Sequence[Run]) -> str:
    succeeded = sum(run.status == "succeeded" for run in runs)
    # more are not read, so there may have been more
    whole = f"the last {RUNS} runs" if len(runs) == RUNS else wording.counted(len(runs), "run")
    return f"{succeeded} of {whole} succeeded."


def _follow(volumes: Sequence[Volume], days: int) -> list[Series]:
    """The volumes that matter most, and all that were not as expected in the period."""
    if not volumes:
        return []
    since = max(volume.measured_date for volume in volumes) - timedelta(days=days)
    followed = []
    for key, group in groupby(volumes, lambda volume: (volume.metric_name, volume.subject)):
        *before, last = group
        anomalies = [each for each in before if each.is_anomaly and each.measured_date > since]
        if key in CHARTED or anomalies or last.is_anomaly:
            drawing = _draw([*before, last][-_DAYS_DRAWN:])
            followed.append(Series([last, *reversed(anomalies)], drawing))
    return followed


def _draw(series: Sequence[Volume]) -> str:
    highest = max(volume.value for volume in series) or 1
    return "".join(_BARS[round(volume.value / highest * (len(_BARS) - 1))] for volume in series)
