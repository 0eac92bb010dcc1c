"""The health page: how the warehouse is today, in one HTML file that needs no script.

In: the figures of `health_data`. Out: a page that opens offline, in a mail and at `/health`;
a content security policy keeps it from loading anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup, escape

from monitoring import wording
from monitoring.health_page import charts, recommendations, ribbons, tables, volumes
from monitoring.health_page.data import DAYS, RESULTS, RUNS, HealthData, read_health
from monitoring.health_page.verdict import (
    SIGNS,
    Verdict,
    count_tests,
    findings_of,
    group_by_next_step,
    judge,
    node_tone,
    run_tone,
    severity_tone,
)
from monitoring.page.html_page import links_from, render, write_whole
from warehouse.database import connect
from warehouse.errors import ListenhouseError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

_LATEST_RUNS = 10
_LATEST_ANOMALIES = 3
_MAX_HEADLINE_LENGTH = 120


def make_page(settings: Settings) -> str:
    """Makes the page.

    Args:
        settings: Which warehouse.

    Returns:
        A complete HTML document.

    Raises:
        DatabaseError: The warehouse cannot be reached or read; says what to do.
    """
    return render_page(_read(settings), _now())


def write_page(settings: Settings, output: Path) -> Verdict:
    """Makes the page and writes it, whole or not at all.

    Args:
        settings: Which warehouse.
        output: The file; folders above it are made.

    Returns:
        What the page says first.

    Raises:
        DatabaseError: The warehouse cannot be reached or read; says what to do.
        OutputError: The file cannot be written.
    """
    data = _read(settings)
    write_whole(render_page(data, _now(), links_from(output)), output)
    return judge(data)


def refresh_page(settings: Settings) -> None:
    """Writes the page where messages and the API show it; one that cannot be written is no fault.

    Args:
        settings: Which warehouse, and where.
    """
    try:
        write_page(settings, settings.health_page_file)
    except ListenhouseError as error:
        # what is wrong with the warehouse is said by who called
        _logger.info("health page not written", cause=str(error))


def render_page(data: HealthData, made_at: datetime, links: Sequence[tuple[str, str]] = ()) -> str:
    """Writes the page.

    Args:
        data: What to show.
        made_at: When it was read (UTC, without a zone).
        links: Files of other pages, and their names; none where it goes by mail or HTTP.

    Returns:
        A complete HTML document.
    """
    trace_subjects, traces = volumes.trace_volumes(data)
    quality = tables.list_quality(data)
    outcomes = tables.list_outcomes(data)
    return render(
        "health",
        {
            "data": data,
            "verdict": judge(data),
            "next_steps": group_by_next_step(findings_of(data)),
            "shown_runs": {run.run_id for run in data.runs},
            "latest_runs": data.runs[: -_LATEST_RUNS - 1 : -1],
            "earlier_runs": data.runs[-_LATEST_RUNS - 1 :: -1],
            "counted_runs": charts.count_runs(data.runs),
            "runs_chart": charts.draw_runs(data),
            "steps": charts.draw_steps(data),
            "volumes": volumes.draw_volumes(data),
            "trace_subjects": trace_subjects,
            "traces": traces,
            "requests": charts.draw_requests(data),
            "recommendation_panels": [
                *recommendations.draw_lift(data),
                *recommendations.draw_quality(data),
            ],
            "recommendation_step": recommendations.next_step(data),
            "endpoints": tables.in_order({name for row in outcomes.values() for name in row}),
            "outcomes": outcomes,
            "quality_tables": tables.columns_of(quality),
            "quality": quality,
            "delays": tables.crawl_delays(data),
            "null_columns": tables.list_null_columns(data),
            "tests": count_tests(data.nodes),
            "tests_chart": charts.draw_tests(data),
            "noted_nodes": [
                node for tone in ("bad", "warn") for node in data.nodes if node_tone(node) == tone
            ],
            "ribbons": ribbons.draw_ribbons(data),
            "most_results": RESULTS,
            "links": links,
            "made_at": made_at,
            "version": version("listenhouse"),
            "signs": SIGNS,
            "most_runs": RUNS,
            "most_days": DAYS,
            "most_anomalies": _LATEST_ANOMALIES,
        },
        {
            "age": lambda then: wording.age(then, made_at),
            "change": tables.change_since,
            "code": _with_code,
            "counted": wording.counted,
            "day": wording.day,
            "decision_tone": recommendations.decision_tone,
            "duration": wording.duration,
            "expected": volumes.expected_range,
            "headline": _headline,
            "lead": _lead,
            "measured": recommendations.measured,
            "moment": wording.moment,
            "node_tone": node_tone,
            "number": wording.number,
            "run_tone": run_tone,
            "said": volumes.said,
            "severity_tone": severity_tone,
            "told": recommendations.told,
            "words": wording.name,
        },
    )


def _with_code(text: str) -> Markup:
    """The text with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _headline(text: str) -> tuple[str, str]:
    """A message, or what a long one begins with, and its rest."""
    text = text[:1].upper() + text[1:] if re.match("[a-z]+ ", text) else text
    head, colon, rest = text.partition(": ")
    if len(text) <= _MAX_HEADLINE_LENGTH or not colon or len(head) > _MAX_HEADLINE_LENGTH:
        return text, ""
    return head, rest


def _lead(text: str) -> tuple[str, str]:
    """The first line of a message, and the rest."""
    first, _, rest = text.strip().partition("\n")
    return first, rest


def _read(settings: Settings) -> HealthData:
    with connect(settings, "listenhouse pages") as connection:
        return read_health(connection)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
