"""The health page: what it shows is what the warehouse knows, without a script or a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from playwright.sync_api import Browser, Page

from ingestion.load_command import run_load
from monitoring import wording
from monitoring.health_page.charts import USUAL_RUNS, count_runs, draw_steps
from monitoring.health_page.data import (
    DAYS,
    DECISIONS,
    RESULTS,
    RUNS,
    TRAININGS,
    FindingRow,
    HealthData,
    NodeHistory,
    NodeResult,
    read_health,
)
from monitoring.health_page.page import make_page, render_page, write_page
from monitoring.rule_thresholds import read_rules
from tests.commands import run_command
from tests.conftest import free_port
from tests.dbt_project.warehouse_build import Warehouse
from tests.monitoring.browsing import SCHEMES, VIEWPORTS, opened_page, overlaps
from warehouse.errors import SourceError
from warehouse.settings import Settings

MADE_AT = datetime(2026, 11, 21, 8, 12, 30)
LARGEST = 300_000
SECTIONS = (
    "today",
    "findings",
    "runs",
    "steps",
    "volumes",
    "requests",
    "recommendations",
    "quality",
    "quarantine",
    "tests",
    "schema",
    "ribbons",
    "next",
)

# boxes of words that a reader sees, line by line, none of them within another
TEXT_BOXES = """
() => {
    const boxes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode;
        const parent = text.parentElement;
        if (!text.data.trim() || parent.closest('title, desc, style, .unseen')) continue;
        if (!parent.checkVisibility()) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        for (const box of range.getClientRects()) {
            boxes.push([text.data.trim(), box.left, box.top + 2, box.right, box.bottom - 2]);
        }
    }
    return boxes;
}
"""

# contrast of each text, and of what charts are drawn with, against what is behind them
CONTRASTS = """
() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([red, green, blue]) => {
        const linear = value => {
            const share = value / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        };
        return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = channels(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return channels(getComputedStyle(document.documentElement).backgroundColor);
    };
    const contrast = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const found = { text: [], drawn: [] };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !parent.checkVisibility()) continue;
        if (parent.closest('title, desc, style')) continue;
        const style = getComputedStyle(parent);
        const colour = parent.closest('svg') ? style.fill : style.color;
        const words = walker.currentNode.data.trim();
        found.text.push([words, contrast(channels(colour), behind(parent))]);
    }
    const drawn = 'svg .bad rect:not(.hit), svg .warn rect:not(.hit), .mark path, svg .line';
    for (const shape of document.querySelectorAll(drawn)) {
        const style = getComputedStyle(shape);
        const colour = style.fill === 'none' ? style.stroke : style.fill;
        found.drawn.push([shape.outerHTML, contrast(channels(colour), behind(shape))]);
    }
    return found;
}
"""


def settings_of(warehouse: Warehouse) -> Settings:
    return Settings(home=warehouse.folder, external_database_url=warehouse.url)


@pytest.fixture(scope="module")
def file(watched: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the watched warehouse."""
    file = tmp_path_factory.mktemp("page") / "health.html"
    write_page(settings_of(watched), file)
    return file


@pytest.fixture(scope="module")
def data(watched: Warehouse) -> HealthData:
    """What that page shows."""
    with psycopg.connect(watched.url, autocommit=True) as connection:
        return read_health(connection)


def written(data: HealthData, folder: Path) -> Path:
    """A page of other figures."""
    file = folder / "page.html"
    file.write_text(render_page(data, MADE_AT))
    return file


def rows_of(page: Page, table: str) -> list[list[str]]:
    """The words in the cells of a table, also of what is folded."""
    rows: list[list[str]] = page.evaluate(
        """selector => [...document.querySelectorAll(`${selector} tbody tr:not(.more)`)].map(
            row => [...row.cells].map(cell => cell.textContent.replace(/\\s+/g, ' ').trim()))""",
        table,
    )
    return rows


def number(text: str) -> float:
    """The first number in a text."""
    found = re.search(r"[\d,]+(\.\d+)?", text)
    assert found is not None, text
    return float(found[0].replace(",", ""))


def plain(text: str) -> str:
    """The text with blanks of one kind."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def grown(data: HealthData) -> HealthData:
    """As many runs and days as the page ever shows."""
    ids = [uuid4() for _ in range(RUNS)]
    runs = [
        replace(
            data.runs[index % len(data.runs)],
            run_id=run_id,
            started_at=MADE_AT - timedelta(days=RUNS - index),
        )
        for index, run_id in enumerate(ids)
    ]
    source = [run.run_id for run in data.runs]

    def spread(rows: Sequence[Any]) -> list[Any]:
        by_run: dict[UUID, list[Any]] = {}
        for row in rows:
            by_run.setdefault(row.run_id, []).append(row)
        return [
            replace(row, run_id=run_id)
            for index, run_id in enumerate(ids)
            for row in by_run.get(source[index % len(source)], [])
        ]

    series: dict[tuple[str, str], list[Any]] = {}
    for volume in data.volumes:
        series.setdefault((volume.metric_name, volume.subject), []).append(volume)
    volumes = [
        replace(each[day % len(each)], measured_date=MADE_AT.date() - timedelta(days=DAYS - day))
        for each in series.values()
        for day in range(DAYS)
    ]
    lifts = [
        replace(
            data.lifts[0],
            for_date=MADE_AT.date() - timedelta(days=DAYS - day),
            is_window_complete=day < DAYS - 7,
            lift=(day % 9 - 5) / 100,
            lift_lower=(day % 9 - 7) / 100,
            lift_upper=(day % 9 - 3) / 100,
        )
        for day in range(DAYS)
    ]
    evaluations = [
        replace(
            each, training_id=training_id, trained_at=MADE_AT - timedelta(days=TRAININGS - number)
        )
        for number, training_id in enumerate(ids[:TRAININGS])
        for each in data.evaluations[-3:]
    ]
    return replace(
        data,
        runs=runs,
        steps=spread(data.steps),
        requests=spread(data.requests),
        volumes=volumes,
        lifts=lifts,
        evaluations=evaluations,
        decisions=[data.decisions[0]] * DECISIONS,
        histories=[
            replace(
                each,
                statuses=[("pass", "fail")[number < 9 and day % 3 == 0] for day in range(RESULTS)],
                failures=[3 if number < 9 and day % 3 == 0 else 0 for day in range(RESULTS)],
                run_days=[MADE_AT.date() - timedelta(days=day) for day in range(RESULTS)],
            )
            for number, each in enumerate(data.histories)
        ],
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("viewport", VIEWPORTS)
@pytest.mark.parametrize("size", ["as it is", "grown"])
def test_the_page_is_legible(  # noqa: PLR0913, PLR0917 (fixtures)
    browser: Browser, data: HealthData, tmp_path: Path, viewport: str, scheme: str, size: str
) -> None:
    shown = grown(data) if size == "grown" else data
    width = VIEWPORTS[viewport][0]
    with opened_page(browser, written(shown, tmp_path), viewport, scheme) as page:
        for section in SECTIONS:
            assert page.is_visible(f"#{section} h2"), section
        for folded in page.locator("details").all():
            folded.evaluate("details => { details.open = true; }")
        boxes = page.evaluate(TEXT_BOXES)
        assert len(boxes) > 200
        assert overlaps(boxes) == []
        assert [box[0] for box in boxes if box[1] < 0 or box[3] > width] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        found = page.evaluate(CONTRASTS)
        assert [each for each in found["text"] if each[1] < 4.5] == []
        assert [each for each in found["drawn"] if each[1] < 3] == []


def test_every_chart_has_marks_and_says_what_it_is(browser: Browser, file: Path) -> None:
    with opened_page(browser, file) as page:
        charts = page.locator("svg.figure").all()
        # runs, steps, volumes, traces, endpoints, lift and quality, tests, ribbons
        ribbons = page.locator("#ribbons svg").count()
        assert len(charts) == 1 + 4 + 4 + 15 + 3 + 2 + 1 + ribbons
        for chart in charts:
            title = chart.locator("> title").text_content()
            assert title
            assert chart.locator("rect:not(.hit), path").count() > 0, title
            named_by = (chart.get_attribute("aria-labelledby") or "").split()
            assert all(page.locator(f"#{part}").count() == 1 for part in named_by)
        assert page.locator("h1").count() == 1
        # a bar for each run, and what it was for who points at it
        assert page.locator("#runs-chart a").count() == len(rows_of(page, ".runs"))
        assert "failed" in (page.locator("#runs-chart .bad title").first.text_content() or "")


def test_the_runs_are_those_recorded(browser: Browser, file: Path, watched: Warehouse) -> None:
    recorded = watched.query(
        "select run_id, status, extract(epoch from ended_at - started_at)::float, failed_step"
        " from ops.runs order by started_at desc"
    )
    with opened_page(browser, file) as page:
        rows = rows_of(page, ".runs")
        assert len(rows) == len(recorded)
        for row, (run_id, status, seconds, failed_step) in zip(rows, recorded, strict=True):
            assert status in row[1]
            assert row[3] == "cron"
            assert row[2] == plain(wording.duration(seconds))
            words = page.locator(f"#run-{run_id}").text_content() or ""
            assert (f"{failed_step}:" in words) == (status == "failed")
            assert ("The API" in words) == (status == "failed")
        succeeded = sum(run[1] == "succeeded" for run in recorded)
        assert f"{succeeded} of {len(recorded)} runs succeeded" in page.inner_text("#today")


def test_few_runs_have_no_usual_range_and_one_under_way_is_no_failure(data: HealthData) -> None:
    *earlier, last = data.runs
    running = replace(data, runs=[*earlier, replace(last, status="running")])
    counted = count_runs(running.runs)
    assert counted.startswith(f"{sum(run.status == 'succeeded' for run in earlier)} of ")
    assert f" of {len(earlier)} runs succeeded, 1 is running" in counted

    assert str(USUAL_RUNS) == read_rules()["step_slow"]["minimum_history"]
    few = [replace(step, usual_count=2, status="failed") for step in data.steps]
    for panel in draw_steps(replace(data, steps=few)):
        assert ", failed; the usual range needs 3 more runs." in panel.reading
        assert "p95" not in panel.drawing


def test_the_figures_are_those_of_the_warehouse(
    browser: Browser, file: Path, watched: Warehouse
) -> None:
    with opened_page(browser, file) as page:
        for step, seconds in watched.query(
            "select distinct on (step) step, extract(epoch from ended_at - started_at)::float"
            " from ops.steps order by step, started_at desc"
        ):
            panel = page.locator("#steps .panel", has_text=step.capitalize())
            reading = panel.locator(".reading").inner_text()
            assert reading.startswith(wording.duration(seconds))

        (listens,) = watched.query(
            "select count(*) from marts.fct_listens where first_observed_at ="
            " (select max(boundary_at) at time zone 'UTC' from raw_moovitamix.crawls)"
        )
        assert number(page.locator("#volumes .panel .reading").first.inner_text()) == listens[0]

        last = "(select * from raw_moovitamix.crawls order by boundary_at desc limit 1) as last"
        landed = watched.query(
            f"select users_landed, tracks_landed, listen_history_landed from {last}"
        )[0]
        readings = page.locator("#volumes .panel .reading").all_inner_texts()
        assert [number(reading) for reading in readings[1:]] == list(landed)
        quality = {row[0]: row[1:] for row in rows_of(page, ".quality")}
        assert [number(cell) for cell in quality["Records"]] == list(landed)

        for endpoint, requests in watched.query(
            "select distinct on (endpoint) endpoint, requests from ops.http_requests"
            " join ops.runs using (run_id) order by endpoint, started_at desc"
        ):
            name = endpoint.replace("_", " ").capitalize()
            panel = page.locator("#requests .panel", has_text=name)
            assert number(panel.locator(".reading").inner_text()) == requests

        assert [row[1:] for row in rows_of(page, ".rejections")] == [
            [str(count), "0"]
            for (count,) in watched.query(
                "select count(*) from raw_moovitamix.rejected_records"
                " where resolved_at is null group by reason order by 1 desc"
            )
        ]
        ((passed,),) = watched.query("select count(*) from ops.dbt_results where status = 'pass'")
        assert f"{passed:,} passed" in page.inner_text("#today")
        assert "country" in page.inner_text("#schema")


def test_recommendations_are_told_with_what_they_led_to(
    browser: Browser, file: Path, watched: Warehouse
) -> None:
    ((users,),) = watched.query(
        "select count(distinct user_id) from recommendations.batches join"
        " recommendations.recommendations using (for_date)"
    )
    days = watched.query(
        "select lift, is_window_complete from marts.rpt_recommendation_lift order by for_date"
    )
    known = [lift for lift, is_complete in days if is_complete]
    assert 1 < len(known) < len(days)
    assert known[-1] > 0
    with opened_page(browser, file) as page:
        section = plain(page.inner_text("#recommendations"))
        assert f"lists of 10 tracks for {users} users" in section
        lift, quality = page.locator("#recommendations .panel").all()
        reading = lift.locator(".reading").inner_text()
        assert reading.startswith(f"{wording.points(known[-1])} (")
        assert f"{len(days) - len(known)} days more are still open" in reading
        assert lift.locator("g title").count() == len(known)
        assert "champion 0.160 (0.150–0.170), challenger 0.150" in plain(
            quality.locator(".reading").inner_text()
        )
        # nobody was champion at the first training
        assert quality.locator("g.champion").count() == 1
        assert quality.locator("g.challenger .span").count() == 2
        decisions = page.locator("#recommendations .decisions li").all_inner_texts()
        assert "Refused: version 3; version 2 stays" in decisions[0]
        minus = wording.MINUS
        assert "No better than the champion." in decisions[0]
        assert f"ndcg at 20 {minus}0.0100 ({minus}0.0200 to +0.0030), 200 users" in decisions[0]
        assert "Promoted: version 2, the first" in decisions[1]
        assert "listenhouse retrain" in page.inner_text("#recommendations .then")


def test_lists_that_are_worse_than_popularity_are_marked(
    browser: Browser, data: HealthData, tmp_path: Path
) -> None:
    worse = [replace(each, lift=-0.02, lift_lower=-0.03, lift_upper=-0.01) for each in data.lifts]
    decision = replace(data.decisions[1], decision="fell_back", from_version="2", to_version=None)
    shown = replace(data, lifts=worse, decisions=[decision])
    with opened_page(browser, written(shown, tmp_path)) as page:
        lift = page.locator("#recommendations .panel").first
        complete = sum(each.is_window_complete for each in worse)
        assert lift.locator(".mark.bad").count() == complete
        assert f"{complete} of {complete} days were worse than popularity" in (
            lift.locator("desc").text_content() or ""
        )
        told = page.locator("#recommendations .decisions li")
        assert "Fell back: popularity in place of version 2" in told.inner_text()
        assert told.locator(".sign").inner_text() == "✕"


def test_a_house_that_never_recommended_says_nothing_of_it(
    browser: Browser, data: HealthData, tmp_path: Path
) -> None:
    shown = replace(data, lists=[], lifts=[], evaluations=[], decisions=[])
    with opened_page(browser, written(shown, tmp_path)) as page:
        assert page.locator("#recommendations").count() == 0
    # and one whose first lists are of today says what is not known yet
    young = replace(
        data,
        lifts=[replace(data.lifts[0], is_window_complete=False)],
        evaluations=[],
        decisions=[],
    )
    with opened_page(browser, written(young, tmp_path)) as page:
        section = page.inner_text("#recommendations")
        assert "The window of 1 day is open; none is complete yet." in section
        assert "listenhouse retrain" in section


def test_what_was_tried_again_is_told_by_its_cause(
    browser: Browser, file: Path, watched: Warehouse
) -> None:
    with opened_page(browser, file) as page:
        rows = {row[0]: row for row in rows_of(page, ".outcomes")}
        for (cause,) in watched.query(
            "select distinct jsonb_object_keys(retries) from ops.http_requests"
        ):
            assert f"Tried again after {cause}" in rows
        assert page.locator("#requests .warn title").count() >= 1


def test_what_is_wrong_is_told_with_what_to_do(
    browser: Browser, file: Path, watched: Warehouse
) -> None:
    findings = watched.query(
        "select rule_name, subject, severity, message, next_step from health.rpt_findings"
    )
    rules = {rule for rule, *_ in findings}
    assert {"anomaly", "quarantine_rising", "schema_changed"} <= rules
    with opened_page(browser, file) as page:
        told = page.locator(".finding")
        assert told.count() == len(findings)
        words = page.inner_text(".findings")
        todo = page.inner_text(".next")
        for _, subject, severity, message, next_step in findings:
            assert subject in words
            assert message[1:] in words
            assert severity.capitalize() in words
            assert next_step.replace("`", "") in words
            assert next_step.replace("`", "") in todo
        expected = "Trouble" if any(each[2] == "critical" for each in findings) else "Warnings"
        assert page.inner_text("#today h2") == expected
        # without colour: a sign and a word
        assert set(page.locator(".findings .sign").all_inner_texts()) <= {"!", "✕"}


def test_a_long_message_begins_with_a_headline(
    browser: Browser, data: HealthData, tmp_path: Path
) -> None:
    cause = "dbt build failed: " + "a test and what it says, " * 10
    finding = replace(data.findings[0], message=f"step build failed (at 03:11): {cause}")
    short = replace(data.findings[0], message="users: 41 new rows", subject="a")
    shown = replace(data, findings=[finding, short])
    with opened_page(browser, written(shown, tmp_path)) as page:
        assert page.locator(".what").all_inner_texts() == [
            "Step build failed (at 03:11)",
            "users: 41 new rows",
        ]
        assert cause.strip() in page.inner_text(".finding >> nth=0")
        # what is done about both is said once
        assert page.locator(".findings .then").count() == 1


def test_an_anomaly_is_marked_with_its_reason(
    browser: Browser, file: Path, watched: Warehouse
) -> None:
    ((reason,),) = watched.query(
        "select reason from health.rpt_anomalies where metric_name = 'listens_new'"
        " and is_anomaly order by measured_date desc limit 1"
    )
    with opened_page(browser, file, "phone") as page:
        panel = page.locator("#volumes .panel").first
        assert panel.locator(".mark").count() == 1
        words = plain(panel.inner_text())
        assert reason.removeprefix("fct_listens: ") in words
        assert "▼" in words


def test_a_slow_step_is_marked(browser: Browser, file: Path) -> None:
    with opened_page(browser, file) as page:
        load = page.locator("#steps .panel", has_text="Load")
        slow = load.locator("g.warn")
        assert slow.count() == 1
        assert "slow" in (slow.locator("title").text_content() or "")
        assert load.locator(".glyph").count() == 2
        assert load.locator("g.bad").count() == 1


def test_steps_are_in_the_order_in_which_runs_take_them(
    browser: Browser, data: HealthData, tmp_path: Path
) -> None:
    """Also when the last run did not come far."""
    short = replace(data.runs[-1], run_id=uuid4(), status="failed", failed_step="source")
    steps = [
        replace(step, run_id=short.run_id)
        for step in data.steps
        if step.run_id == data.runs[-1].run_id and step.step_name in {"database", "source"}
    ]
    shown = replace(data, runs=[*data.runs, short], steps=[*data.steps, *steps])
    with opened_page(browser, written(shown, tmp_path)) as page:
        panels = page.locator("#steps .panel")
        assert panels.locator("h3").all_inner_texts() == ["Database", "Source", "Load", "Build"]
        readings = panels.locator(".reading").all_inner_texts()
        assert ["in the last run" in reading for reading in readings] == [True, True, False, False]


def test_a_finding_leads_to_its_run(browser: Browser, data: HealthData, tmp_path: Path) -> None:
    oldest = data.runs[0]
    finding = replace(data.findings[0], run_id=oldest.run_id)
    gone = replace(data.findings[0], run_id=uuid4())
    shown = replace(data, findings=[finding, gone])
    with opened_page(browser, written(shown, tmp_path)) as page:
        links = page.locator(".findings a")
        assert links.count() == 1
        assert not page.is_visible(f"#run-{oldest.run_id}")
        links.click()
        # the browser unfolds what hides it
        assert page.is_visible(f"#run-{oldest.run_id}")


def test_text_is_text_whatever_is_in_it(browser: Browser, data: HealthData, tmp_path: Path) -> None:
    tag = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \"'` "
    evil = tag + "long" * 200
    run = replace(data.runs[-1], status="failed", message=f"{evil}\nand {evil}", failed_step=evil)
    finding = FindingRow(evil, evil, "critical", evil, evil, run.run_id, MADE_AT, False)
    shown = replace(
        data,
        findings=[finding],
        runs=[*data.runs[:-1], run],
        steps=[replace(each, step_name=evil + each.step_name) for each in data.steps],
        volumes=[
            replace(each, reason=evil, subject=tag + each.subject, is_anomaly=True)
            for each in data.volumes
        ],
        requests=[replace(each, endpoint=tag + each.endpoint) for each in data.requests],
        outcomes=[replace(each, outcome=evil) for each in data.outcomes],
        quality=[
            replace(each, table_name=tag + each.table_name, detail=evil) for each in data.quality
        ],
        rejections=[replace(each, reason=evil) for each in data.rejections],
        nodes=[NodeResult(evil, "test", "fail", 3, evil, MADE_AT)],
        schema_changes=[replace(each, description=evil) for each in data.schema_changes],
        lists=[replace(each, source_name=tag, model_version=evil) for each in data.lists],
        lifts=[replace(each, source_name=tag) for each in data.lifts],
        evaluations=[replace(each, source_name=tag) for each in data.evaluations],
        decisions=[
            replace(each, decision=evil, decided_by=evil, to_version=evil, reason=evil, metric=evil)
            for each in data.decisions
        ],
    )
    with opened_page(browser, written(shown, tmp_path), "phone") as page:
        assert page.locator("script, img").count() == 0
        assert "<script>alert(1)</script>" in page.inner_text("#findings .what")
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_nobody_and_no_secret_is_on_the_page(file: Path, watched: Warehouse) -> None:
    text = file.read_text()
    people = watched.query("select email, first_name, last_name from raw_moovitamix.users")
    assert people
    for email, first_name, last_name in people:
        assert email not in text
        assert f"{first_name} {last_name}" not in text
    assert "@" not in text.replace("@media", "")
    assert watched.url not in text
    for (record,) in watched.query("select record from raw_moovitamix.rejected_records"):
        assert record not in text


def test_the_page_is_small(data: HealthData) -> None:
    assert len(render_page(grown(data), MADE_AT).encode()) < LARGEST


def test_without_drawings_and_styles_it_still_says_everything(
    browser: Browser, file: Path, data: HealthData, tmp_path: Path
) -> None:
    """As mail programs show it that know neither."""
    bare = re.sub(r"(?s)<style>.*?</style>|<svg.*?</svg>", "", file.read_text())
    (tmp_path / "mail.html").write_text(bare)
    with opened_page(browser, tmp_path / "mail.html", "phone") as page:
        words = plain(page.inner_text("body"))
        for finding in data.findings:
            assert finding.next_step.replace("`", "") in words
        for run in data.runs[-10:]:
            assert run.status in words
        assert "tried again" in words
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_good_day_is_called_healthy(browser: Browser, data: HealthData, tmp_path: Path) -> None:
    with opened_page(browser, written(replace(data, findings=[]), tmp_path)) as page:
        assert page.inner_text("#today h2") == "Healthy"
        assert page.locator("#findings").count() == 0
        assert "Nothing to do now" in page.inner_text("#next")


def test_tests_that_failed_are_named(browser: Browser, data: HealthData, tmp_path: Path) -> None:
    nodes = [
        NodeResult("unique_key", "test", "fail", 3, "Got 3 results", MADE_AT),
        NodeResult("few_orphans", "test", "warn", 1, "Got 1 result", MADE_AT),
        NodeResult("later", "test", "skipped", None, None, MADE_AT),
        NodeResult("dim_users", "model", "error", None, "Database Error\n  out of disk", MADE_AT),
        NodeResult("fine", "unit_test", "pass", 0, None, MADE_AT),
    ]
    with opened_page(browser, written(replace(data, nodes=nodes), tmp_path)) as page:
        assert "1 passed, 1 warned, 1 failed, 1 not run" in page.inner_text("#tests")
        named = page.locator(".nodes li b").all_inner_texts()
        assert named == ["unique_key", "dim_users", "few_orphans"]
        assert "3 rows" in page.inner_text(".nodes li >> nth=0")


def test_the_last_results_of_a_test_are_a_ribbon(
    browser: Browser, data: HealthData, tmp_path: Path
) -> None:
    today = MADE_AT.date()
    days = [today - timedelta(days=ago) for ago in range(5, -1, -1)]
    statuses = ["pass", "pass", "fail", "fail", "pass", "pass"]
    rows = [0, 0, 7, 12, 0, 0]
    histories = [
        NodeHistory("always_fine", "test", ["pass"] * 6, [0] * 6, days),
        NodeHistory("unique_key", "test", statuses, rows, days),
        NodeHistory("dim_users", "model", ["success"] * 5 + ["error"], [None] * 6, days),
    ]
    with opened_page(browser, written(replace(data, histories=histories), tmp_path)) as page:
        assert page.locator("#ribbons summary").all_inner_texts() == ["1 that always went well"]
        named = page.locator("#ribbons tbody th").all_text_contents()
        assert named == ["unique_key", "dim_users"]
        assert "always_fine (6)" in (page.locator("#ribbons").text_content() or "")
        failed = page.locator("#ribbons tbody tr").first
        assert " ".join(failed.inner_text().split()) == "unique_key 2 of 6 results not good 12"
        marks = [mark.strip() for mark in failed.locator("rect title").all_text_contents()]
        assert marks == [
            "16 Nov to 17 Nov: pass, 2 times",
            "18 Nov: fail, 7 rows",
            "19 Nov: fail, 12 rows",
            "20 Nov to 21 Nov: pass, 2 times",
        ]
        widths = [mark.get_attribute("width") for mark in failed.locator("rect").all()]
        assert widths == ["33.33%", "16.67%", "16.67%", "33.33%"]


def test_the_last_results_are_those_recorded(watched: Warehouse, data: HealthData) -> None:
    recorded = watched.query(
        "select node_name, status, failures from health.fct_dbt_results"
        " where resource_type in ('model', 'test') order by 1"
    )
    assert len(recorded) > 150
    shown = [
        (each.node_name, status, failures)
        for each in data.histories
        for status, failures in zip(each.statuses, each.failures, strict=True)
    ]
    assert sorted(map(str, shown)) == sorted(map(str, recorded))


def test_too_few_days_are_no_chart_but_words(
    browser: Browser, data: HealthData, tmp_path: Path
) -> None:
    first_day = min(each.measured_date for each in data.volumes)
    early = replace(
        data,
        volumes=[each for each in data.volumes if each.measured_date == first_day],
        lifts=[each for each in data.lifts if each.is_window_complete][:2],
    )
    with opened_page(browser, written(early, tmp_path)) as page:
        for panel in page.locator("#volumes .panel").all():
            assert "The chart needs 2 more days." in panel.inner_text()
        assert page.locator("#volumes svg").count() == 0
        assert "The chart needs 1 more day." in page.inner_text("#recommendations")
        assert page.locator("#lift-moovitamix").count() == 0


def test_the_contents_lead_to_all_parts(browser: Browser, file: Path, data: HealthData) -> None:
    with opened_page(browser, file) as page:
        links = [a.get_attribute("href") or "" for a in page.locator(".contents a").all()]
        assert set(links) == {f"#{section}" for section in SECTIONS} - {"#today", "#schema"}
        assert all(page.locator(link).count() == 1 for link in links)
    bare = render_page(replace(data, findings=[], histories=[]), MADE_AT)
    assert 'href="#findings"' not in bare
    assert 'href="#ribbons"' not in bare


def test_before_the_first_run_it_says_how_to_make_one(
    browser: Browser, settings: Settings, tmp_path: Path
) -> None:
    write_page(settings, tmp_path / "page.html")
    with opened_page(browser, tmp_path / "page.html", "phone") as page:
        assert page.inner_text("#today h2") == "Nothing yet"
        assert "listenhouse run" in page.inner_text("#next")
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_first_run_that_failed_is_told(
    browser: Browser, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SourceError):
        run_load(settings.but(retry_wait_seconds=0.01))
    write_page(settings, tmp_path / "page.html")
    with opened_page(browser, tmp_path / "page.html") as page:
        assert page.inner_text("#today h2") == "Trouble"
        assert "at step load" in page.inner_text("#findings")
        assert "listenhouse run" in page.inner_text("#missing")
        assert len(rows_of(page, ".runs")) == 1
        # nothing is claimed of what nobody looked at yet
        assert page.locator("#schema, #quality, #steps").count() == 0


def test_models_that_are_missing_are_named(
    browser: Browser, copied: Warehouse, tmp_path: Path
) -> None:
    copied.execute("drop view health.rpt_findings, health.fct_schema_changes cascade")
    write_page(settings_of(copied), tmp_path / "page.html")
    with opened_page(browser, tmp_path / "page.html") as page:
        assert page.inner_text("#today h2") == "Not judged yet"
        assert "health.rpt_findings" in page.inner_text("#missing")
        assert page.locator("#schema").count() == 0
        assert page.is_visible("#steps svg")
        assert "dbt build" in page.inner_text("#next")


def test_models_of_another_version_end_in_one_line(copied: Warehouse, tmp_path: Path) -> None:
    copied.execute("alter table health.rpt_anomalies rename column reason to cause")
    outcome = report(copied.url, tmp_path)
    assert outcome.returncode == 1
    assert "run `dbt build`" in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def report(url: str, home: Path, *arguments: str) -> Any:
    environment = {"LISTENHOUSE_DATABASE_URL": url, "LISTENHOUSE_HOME": str(home)}
    return run_command("listenhouse", "pages", "health", *arguments, environment=environment)


def test_the_command_writes_the_page(watched: Warehouse, tmp_path: Path) -> None:
    outcome = report(watched.url, tmp_path)
    file = tmp_path / "pages" / "health.html"
    assert outcome.returncode == 0, outcome.stderr
    assert str(file) in outcome.stdout
    assert outcome.stdout.startswith(("Trouble: ", "Warnings: "))
    assert list(file.parent.iterdir()) == [file]
    # what is mailed is the same
    assert len(make_page(settings_of(watched))) == pytest.approx(len(file.read_text()), abs=300)


def test_the_command_works_after_a_run_that_failed(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        run_load(settings.but(retry_wait_seconds=0.01))
    outcome = report(settings.database_url, tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("Trouble: 1 critical finding.")


@pytest.mark.parametrize("own", [True, False])
def test_a_database_that_is_down_is_said_in_one_line(tmp_path: Path, own: bool) -> None:
    port = free_port()
    environment = {"LISTENHOUSE_HOME": str(tmp_path), "LISTENHOUSE_PORT": str(port)}
    if not own:
        environment["LISTENHOUSE_DATABASE_URL"] = f"postgresql://me:secret@127.0.0.1:{port}/house"
    outcome = run_command("listenhouse", "pages", "health", environment=environment)
    assert outcome.returncode == 1
    assert ("`listenhouse up`" if own else "check LISTENHOUSE_DATABASE_URL") in outcome.stderr
    assert "secret" not in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "pages").exists()


def test_a_file_that_cannot_be_written_is_said_in_one_line(
    watched: Warehouse, tmp_path: Path
) -> None:
    outcome = report(watched.url, tmp_path, "--output", "/dev/null/page.html")
    assert outcome.returncode == 1
    assert "cannot be written to /dev/null/page.html" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
