"""The listening dashboard: what it shows is what the marts hold, in a browser without a network."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from playwright.sync_api import Browser, Page

from monitoring import wording
from monitoring.listening_page.data import PERIODS, ListeningData, read_listening
from monitoring.listening_page.page import render_page, write_page
from tests.commands import run_command
from tests.conftest import copied_database
from tests.dbt_project.warehouse_build import Warehouse
from tests.monitoring.browsing import VIEWPORTS, opened_page, overlaps
from warehouse.settings import PROJECT_ROOT, Settings

CHARTS = ("days", "tracks", "artists", "genres", "weeks", "cohorts", "hours")
FILTERED = ("days", "tracks", "artists", "genres", "weeks", "hours")
MADE_AT = datetime(2026, 6, 1, 3, tzinfo=UTC)
TABLES = ("fct_listens", "bridge_track_genres", "dim_artists", "dim_genres", "dim_tracks")

LARGEST = 3_500_000
"""Bytes of a page whose names are as long and odd as they can be, a third of them ECharts."""

REPORTS = {
    "rpt_daily_artist_listens": "select artist_key, listens.source_name, listened_date,"
    " count(*)::int as listen_count"
    " from fct_listens as listens join dim_tracks using (track_key) group by 1, 2, 3",
    "rpt_daily_genre_listens": "select genre_key, listens.source_name, listened_date,"
    " count(*)::int as listen_count"
    " from fct_listens as listens join bridge_track_genres using (track_key) group by 1, 2, 3",
    "rpt_daily_track_listens": "select source_name, listened_date, track_id,"
    " count(*)::int as listen_count from fct_listens group by 1, 2, 3",
    "rpt_source_coverage": """
        select
            source_name,
            bool_and(listened_at_source = 'played_at') as has_played_at,
            case
                when bool_and(listened_at_source = 'played_at') then min(listened_date)
                else 1 + coalesce(
                    max(listened_date) filter (
                        where
                            listened_at_source = 'record_updated_at'
                            and first_observed_at = (select min(first_observed_at) from fct_listens)
                    ),
                    min(first_observed_at)::date
                )
            end as known_from_date
        from fct_listens
        group by 1
    """,
    "rpt_weekly_active_listeners": """
        select
            source_name,
            date_trunc('week', listened_date)::date as week_start_date,
            count(distinct user_id)::int as listener_count,
            count(distinct user_id) filter (
                where date_trunc('week', listened_date) = date_trunc('week', first_date)
            )::int as new_listener_count
        from fct_listens
        left join (
            select user_id, min(listened_date) as first_date from fct_listens group by 1
        ) as listeners using (user_id)
        group by 1, 2
    """,
}
"""What the reports of the marts hold, counted anew for marts of other listens."""

# boxes of words that a reader sees, none of them within another
TEXT_BOXES = """
() => [...document.querySelectorAll('svg text, h1, h2, .reading, dt, dd, summary, legend + label')]
    .filter(element => element.textContent.trim() && element.checkVisibility())
    .map(element => {
        const box = element.getBoundingClientRect();
        return [element.textContent, box.left, box.top, box.right, box.bottom];
    })
"""
CUT_OFF = """
() => [...document.querySelectorAll('.chart:not([hidden])')].flatMap(chart => {
    const frame = chart.getBoundingClientRect();
    return [...chart.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 2 || box.right > frame.right + 2
            || box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
    }).map(text => `${chart.id}: ${text.textContent}`);
})
"""
MARKS = "id => document.querySelectorAll(`#${id}-chart svg path`).length"


@dataclass
class Seen:
    """The page in a browser."""

    page: Page

    def number(self, name: str) -> int:
        """One of the totals above the charts."""
        return int(self.page.inner_text(f"#total-{name}").replace(",", ""))

    def choose(self, *, days: int | None = None, genre: int = 0) -> None:
        """Sets both filters as a reader does."""
        period = len(PERIODS) if days is None else PERIODS.index(days)
        self.page.locator(f"input[name=period][value='{period}'] + span").click()
        self.page.select_option("select[name=genre]", str(genre))

    def drawing(self, chart: str) -> list[str]:
        """The lines, bars and words of a chart; their order depends on what was drawn before."""
        drawn = self.page.inner_html(f"#{chart}-chart")
        return sorted(re.findall(r"<(?:path|text)[^>]*>[^<]*", drawn))


@contextmanager
def opened(
    browser: Browser, file: Path, viewport: str = "desk", scheme: str = "light"
) -> Iterator[Seen]:
    """Opens the page."""
    with opened_page(browser, file, viewport, scheme) as page:
        yield Seen(page)


@pytest.fixture(scope="module")
def warehouse(warehouse: Warehouse) -> Iterator[Warehouse]:
    """A copy of the month whose source says when each listen was played: all days are known."""
    with copied_database(warehouse.url, "listening_page") as url:
        played = Warehouse(url, warehouse.folder)
        played.execute("update marts.fct_listens set listened_at_source = 'played_at'")
        played.execute(
            "update marts.rpt_source_coverage"
            " set has_played_at = true, known_from_date = first_listened_date"
        )
        yield played


@pytest.fixture(scope="module")
def settings_of(warehouse: Warehouse) -> Settings:
    """Settings for the warehouse."""
    return Settings(home=warehouse.folder, external_database_url=warehouse.url)


@pytest.fixture(scope="module")
def file(settings_of: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the warehouse."""
    file = tmp_path_factory.mktemp("page") / "listening.html"
    write_page(settings_of, file, "marts")
    return file


@pytest.fixture(scope="module")
def data(warehouse: Warehouse) -> ListeningData:
    """What the page of the warehouse shows."""
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        return read_listening(connection, "marts")


def copy_marts(warehouse: Warehouse, schema: str, listens: str, changed: str = "") -> None:
    """Makes marts of their own, with a selection of listens, changed ones perhaps."""
    warehouse.execute(f"create schema {schema}")
    for table in TABLES:
        selected = listens if table == "fct_listens" else f"select * from marts.{table}"
        warehouse.execute(f"create table {schema}.{table} as {selected}")
    if changed:
        warehouse.execute(f"update {schema}.fct_listens set {changed}")
    for report, counted in REPORTS.items():
        warehouse.execute(
            f"set search_path to {schema}; create table {schema}.{report} as {counted}"
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_every_chart_is_drawn_and_legible(
    browser: Browser, file: Path, viewport: str, scheme: str
) -> None:
    with opened(browser, file, viewport, scheme) as seen:
        for days, genre in ((None, 0), (90, 0), (30, 0), (30, 1), (7, 0)):
            seen.choose(days=days, genre=genre)
            for chart in CHARTS:
                assert seen.page.evaluate(MARKS, chart) > 3, (chart, days, genre)
                assert seen.page.inner_text(f"#{chart}-reading"), chart
            width = VIEWPORTS[viewport][0]
            assert seen.page.evaluate("document.documentElement.scrollWidth") == width
            seen.page.evaluate("scrollTo(0, 0)")
            boxes = seen.page.evaluate(TEXT_BOXES)
            assert len(boxes) > 80
            assert overlaps(boxes) == []
            assert [box[0] for box in boxes if box[1] < 0 or box[3] > width] == []
            # nor is text cut off at the edge of its chart
            assert seen.page.evaluate(CUT_OFF) == []


def test_the_filters_change_what_is_shown(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        everything = {chart: seen.drawing(chart) for chart in CHARTS}
        total = seen.number("listens")
        assert not seen.page.is_visible("button[type=reset]")

        seen.choose(days=30)
        shorter = {chart: seen.drawing(chart) for chart in CHARTS}
        assert {chart for chart in CHARTS if shorter[chart] != everything[chart]} == set(FILTERED)
        assert 0 < seen.number("listens") < total

        seen.choose(days=30, genre=2)
        narrower = {chart: seen.drawing(chart) for chart in CHARTS}
        assert {chart for chart in CHARTS if narrower[chart] != shorter[chart]} == set(FILTERED)

        seen.page.click("button[type=reset]")
        seen.page.wait_for_selector("button[type=reset]", state="hidden")
        assert {chart: seen.drawing(chart) for chart in CHARTS} == everything


def test_a_genre_can_be_chosen_in_its_chart(
    browser: Browser, file: Path, data: ListeningData
) -> None:
    with opened(browser, file) as seen:
        box = seen.page.locator("#genres-chart").bounding_box()
        assert box is not None
        # the second bar, at its left end
        rows = len(data.genre_charts[-1])
        row = 14 + (box["height"] - 14) * 1.5 / rows
        chosen = seen.page.locator("select[name=genre]")
        for _ in range(20):
            # bars grow into place, on a busy machine slowly
            seen.page.locator("#genres-chart").click(position={"x": 8, "y": row})
            if chosen.input_value() != "0":
                break
            seen.page.wait_for_timeout(250)
        assert chosen.input_value() == "2"
        assert seen.number("listens") == data.totals[2][-1][0]


def test_the_totals_are_those_of_the_marts(
    browser: Browser, file: Path, warehouse: Warehouse, data: ListeningData
) -> None:
    assert data.last_day is not None
    with opened(browser, file) as seen:
        for days, (genre, name) in itertools.product(
            (None, *PERIODS), ((0, None), (1, data.genres[0]), (5, data.genres[4]))
        ):
            since = data.last_day - timedelta(days=(days or 100_000) - 1)
            of_genre = (
                f"""and track_key in (
                    select track_key from marts.bridge_track_genres
                    join marts.dim_genres using (genre_key) where genre_name = '{name}')"""
                if name
                else ""
            )
            expected = warehouse.query(
                f"""
                select count(*), count(distinct user_id), count(distinct track_id)
                from marts.fct_listens where listened_date >= '{since}' {of_genre}
                """
            )
            seen.choose(days=days, genre=genre)
            shown = tuple(seen.number(each) for each in ("listens", "listeners", "tracks"))
            assert [shown] == expected, (days, name)


def test_the_figures_are_those_of_the_reports(warehouse: Warehouse, data: ListeningData) -> None:
    assert data.first_charted_day is not None
    assert data.first_week is not None
    by_day = {
        data.first_charted_day + timedelta(days=number): count
        for number, count in enumerate(data.days[0])
        if count
    }
    assert by_day == dict(
        warehouse.query(
            "select listened_date, sum(listen_count)::int from marts.rpt_daily_track_listens"
            " group by 1"
        )
    )
    by_week = [
        (data.first_week + timedelta(days=7 * number), active, new)
        for number, (active, new) in enumerate(zip(data.active[0], data.new[0], strict=True))
        if active
    ]
    assert by_week == warehouse.query(
        "select week_start_date, listener_count, new_listener_count"
        " from marts.rpt_weekly_active_listeners order by 1"
    )
    for number, genre in enumerate(data.genres, start=1):
        assert [(sum(data.days[number]),)] == warehouse.query(
            "select sum(listen_count)::int from marts.rpt_daily_genre_listens"
            f" join marts.dim_genres using (genre_key) where coalesce(genre_name, '') = '{genre}'"
        )
    assert [(name, count) for name, count, _ in data.artists[0][-1]] == warehouse.query(
        "select artist_name, sum(listen_count)::int from marts.rpt_daily_artist_listens"
        " join marts.dim_artists using (artist_key) where artist_name is not null"
        " group by artist_key, 1 order by 2 desc, artist_key limit 10"
    )
    assert [(name, count) for name, _, count, _ in data.tracks[0][-1]] == warehouse.query(
        "select track_name, sum(listen_count)::int from marts.rpt_daily_track_listens"
        " join marts.dim_tracks using (source_name, track_id) where is_current"
        " group by track_id, 1 order by 2 desc, track_id limit 10"
    )
    assert sum(data.hours[0][-1] or []) == data.timed_count


def test_a_period_is_compared_with_the_one_before(
    browser: Browser, file: Path, warehouse: Warehouse, data: ListeningData
) -> None:
    assert data.last_day is not None
    end = data.last_day - timedelta(days=7)

    def counted(last_day: date) -> list[tuple[int, ...]]:
        return warehouse.query(
            f"""
            select count(*), count(distinct user_id), count(distinct listens.track_id),
                sum(duration_seconds)::int
            from marts.fct_listens as listens inner join marts.dim_tracks using (track_key)
            where listened_date > '{last_day}'::date - 7 and listened_date <= '{last_day}'
            """
        )

    assert [data.totals[0][0]] == counted(data.last_day)
    assert [data.earlier[0][0]] == counted(end)
    places = dict(
        warehouse.query(
            f"""
            select track_id, row_number() over (order by count(*) desc, source_name, track_id)::int
            from marts.fct_listens
            where listened_date > '{end}'::date - 7 and listened_date <= '{end}'
            group by source_name, track_id
            """
        )
    )
    chart = warehouse.query(
        f"""
        select track_id from marts.fct_listens where listened_date > '{data.last_day}'::date - 7
        group by source_name, track_id order by count(*) desc, source_name, track_id limit 10
        """
    )
    assert [row[-1] for row in data.tracks[0][0]] == [places.get(track) for (track,) in chart]
    with opened(browser, file) as seen:
        seen.choose(days=7)
        now, before = data.totals[0][0], data.earlier[0][0]
        for name, new, old in zip(
            ("listens", "listeners", "tracks", "hours"), now, before, strict=True
        ):
            change = seen.page.inner_text(f"#change-{name}")
            assert change == f"{percent_change(new, old)} on the 7 days before"
        assert seen.number("hours") == round(now[3] / 3600)
        seen.page.click("#tracks summary")
        shown = seen.page.locator("#tracks tbody td:last-child").all_inner_texts()
        assert shown == [str(places.get(track, "new")) for (track,) in chart]
        # of the whole time, there is none before
        seen.choose()
        assert not seen.page.inner_text("#change-listens")


def percent_change(new: int, old: int) -> str:
    change = round(100 * (new / old - 1))
    return f"{'+' if change >= 0 else wording.MINUS}{abs(change)} %"


def test_the_figures_can_be_saved(browser: Browser, file: Path, data: ListeningData) -> None:
    with opened(browser, file) as seen:
        seen.page.click("#artists summary")
        with seen.page.expect_download() as saved:
            seen.page.click("#artists .csv")
        assert saved.value.suggested_filename == "artists.csv"
        rows = list(csv.reader(saved.value.path().read_text().splitlines()))
        assert rows[0] == ["Artist", "Listens", "Share"]
        assert [(name, int(count)) for name, count, _ in rows[1:]] == [
            (name, count) for name, count, _ in data.artists[0][-1]
        ]


def test_a_saved_name_is_no_formula(browser: Browser, data: ListeningData, tmp_path: Path) -> None:
    charts = [[*row] for row in data.artists]
    charts[0][-1] = [('=HYPERLINK("http://x")', 1234567, None), ('a "b", c', 2, None)]
    file = tmp_path / "page.html"
    file.write_text(render_page(replace(data, artists=charts), MADE_AT))
    with opened(browser, file) as seen:
        seen.page.click("#artists summary")
        link = seen.page.get_attribute("#artists .csv", "href") or ""
        rows = list(csv.reader(unquote(link.partition(",")[2]).splitlines()))
        assert rows[1][:2] == ['\'=HYPERLINK("http://x")', "1234567"]
        assert rows[2][:2] == ['a "b", c', "2"]


def test_what_is_chosen_is_kept_in_the_address(
    browser: Browser, file: Path, data: ListeningData
) -> None:
    with opened(browser, file) as seen:
        seen.choose(days=30, genre=2)
        chosen, address = seen.number("listens"), seen.page.url
        assert address.partition("#")[2].startswith("days=30&genre=")
        seen.page.click("button[type=reset]")
        seen.page.wait_for_selector("button[type=reset]", state="hidden")
        seen.page.evaluate("address => { location.href = address; }", address)
        seen.page.wait_for_selector("button[type=reset]")
        assert seen.number("listens") == chosen == data.totals[2][PERIODS.index(30)][0]
        # what no page has is everything
        seen.page.evaluate("location.hash = '#days=5&genre=no such genre'")
        seen.page.wait_for_selector("button[type=reset]", state="hidden")
        assert seen.number("listens") == data.listen_count


def test_names_of_any_length_make_no_long_page(
    browser: Browser, warehouse: Warehouse, settings_of: Settings, tmp_path: Path
) -> None:
    copy_marts(warehouse, "odd_marts", "select * from marts.fct_listens")
    odd = "repeat(E'<\\u2028\\\\\U0001f3b5', 5000)"
    warehouse.execute(
        f"""
        update odd_marts.dim_tracks set track_name = track_id || {odd}, artist_name = {odd};
        update odd_marts.dim_artists set artist_name = artist_name || {odd};
        update odd_marts.dim_genres set genre_name = genre_name || {odd}
        """
    )
    data = write_page(settings_of, tmp_path / "page.html", "odd_marts")
    assert (tmp_path / "page.html").stat().st_size < LARGEST
    with opened(browser, tmp_path / "page.html", "phone") as seen:
        assert seen.number("listens") == data.listen_count
        seen.choose(genre=1)
        assert seen.number("listens") == data.totals[1][-1][0]


def test_a_cohort_is_followed_week_by_week(warehouse: Warehouse, data: ListeningData) -> None:
    assert data.last_day is not None
    assert len(data.cohorts) > 3
    for first_week, counts in data.cohorts:
        for weeks_later, count in enumerate(counts):
            week = first_week + timedelta(weeks=weeks_later)
            assert week + timedelta(days=6) <= data.last_day
            assert [(count,)] == warehouse.query(
                f"""
                select count(distinct user_id) from marts.fct_listens
                where date_trunc('week', listened_date) = '{week}' and user_id in (
                    select user_id from marts.fct_listens group by user_id
                    having date_trunc('week', min(listened_date)) = '{first_week}')
                """
            )


def test_a_selection_without_listens_says_so(
    browser: Browser, warehouse: Warehouse, data: ListeningData, tmp_path: Path
) -> None:
    name = data.genres[1]
    copy_marts(
        warehouse,
        "quiet_marts",
        f"""
        select * from marts.fct_listens where listened_date <= '{data.last_day}'::date - 7
        or track_key not in (
            select track_key from marts.bridge_track_genres
            join marts.dim_genres using (genre_key) where genre_name = '{name}')
        """,
    )
    file = tmp_path / "page.html"
    write_page(Settings(home=tmp_path, external_database_url=warehouse.url), file, "quiet_marts")
    with opened(browser, file, "phone") as seen:
        seen.choose(days=7)
        seen.page.select_option("select[name=genre]", label=name)
        for chart in ("days", "tracks", "artists"):
            assert not seen.page.is_visible(f"#{chart}-chart")
            assert (
                seen.page.inner_text(f"#{chart}-empty")
                == f"No listens to {name} in the last 7 days."
            )
        assert seen.page.is_visible("#cohorts-chart svg")
        assert not seen.page.inner_text("#total-each")
        seen.page.click("button[type=reset]")
        seen.page.wait_for_selector("#tracks-chart svg")


def test_the_figures_of_a_chart_are_a_table(
    browser: Browser, file: Path, data: ListeningData
) -> None:
    with opened(browser, file, "phone") as seen:
        for chart in CHARTS:
            seen.page.click(f"#{chart} summary")
            seen.page.wait_for_selector(f"#{chart} table")
            assert seen.page.locator(f"#{chart} th[scope=col]").count() >= 3
        rows = seen.page.locator("#artists tbody tr")
        assert rows.count() == len(data.artists[0][-1])
        assert rows.first.inner_text().startswith(data.artists[0][-1][0][0])
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
        # headings and names for those who hear the page
        assert seen.page.locator("h1").count() == 1
        for drawing in seen.page.locator("[role=img]").all():
            named_by = (drawing.get_attribute("aria-labelledby") or "").split()
            assert all(seen.page.inner_text(f"#{part}") for part in named_by)


def test_names_are_text_whatever_is_in_them(
    browser: Browser, data: ListeningData, tmp_path: Path
) -> None:
    name = "</script><img src=x onerror=alert(1)> & <!-- \u2028 '\" " + "long " * 20
    charts = [[*row] for row in data.tracks]
    charts[0][-1] = [(name, "<b>A</b>", 3, 1), (None, None, 2, None)]
    genres = [f"<i>{data.genres[0]}</i>", *data.genres[1:]]
    file = tmp_path / "page.html"
    file.write_text(render_page(replace(data, tracks=charts, genres=genres), MADE_AT))
    with opened(browser, file, "phone") as seen:
        seen.page.click("#tracks summary")
        seen.page.wait_for_selector("#tracks table")
        rows = seen.page.locator("#tracks tbody th").all_inner_texts()
        assert rows[0].startswith("</script><img src=x onerror=alert(1)> & <!--")
        assert rows[0].endswith("· <b>A</b>")
        assert rows[1] == "Unnamed track"
        seen.page.locator("#tracks-chart").hover(position={"x": 60, "y": 30})
        tooltip = seen.page.locator("#tracks-chart > div").last
        assert "<b>A</b>" in tooltip.inner_text()
        assert seen.page.locator("img, main i").count() == 0
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390


def test_no_user_is_on_the_page(file: Path, warehouse: Warehouse) -> None:
    text = file.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    written = found[1]
    for (email,) in warehouse.query("select email from raw_moovitamix.users"):
        assert email not in text
    assert "@" not in written
    keys = {str(row[0]) for row in warehouse.query("select user_key from marts.dim_users")}
    assert not keys & set(re.findall(r"[0-9a-f-]{36}", written))
    # counts by day, week, genre, track and artist, and nothing else
    assert set(json.loads(written)) == set(ListeningData.__dataclass_fields__) | {"periods"}


def test_marts_without_a_listen_make_a_page_that_says_so(
    browser: Browser, warehouse: Warehouse, settings_of: Settings, tmp_path: Path
) -> None:
    copy_marts(warehouse, "silent_marts", "select * from marts.fct_listens limit 0")
    write_page(settings_of, tmp_path / "page.html", "silent_marts")
    with opened(browser, tmp_path / "page.html", "phone") as seen:
        assert "No listens yet" in seen.page.inner_text("main")
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(
    ("schema", "changed"),
    [
        ("updated_marts", "listened_at_source = 'record_updated_at'"),
        ("daily_marts", "listened_at = listened_date"),
    ],
)
def test_hours_that_say_nothing_are_not_charted(  # noqa: PLR0913, PLR0917 (fixtures)
    browser: Browser,
    warehouse: Warehouse,
    settings_of: Settings,
    tmp_path: Path,
    schema: str,
    changed: str,
) -> None:
    copy_marts(warehouse, schema, "select * from marts.fct_listens", changed)
    write_page(settings_of, tmp_path / "page.html", schema)
    with opened(browser, tmp_path / "page.html") as seen:
        assert "no source says at what time" in seen.page.inner_text("#hours")
        assert seen.page.locator("#hours svg").count() == 0
        assert seen.page.is_visible("#days-chart svg")


def test_what_the_first_crawl_found_is_of_no_day(
    warehouse: Warehouse, settings_of: Settings, tmp_path: Path
) -> None:
    copy_marts(
        warehouse,
        "crawled_marts",
        "select * from marts.fct_listens",
        "listened_at_source = 'record_updated_at'",
    )
    ((known_from, count, known_count, new_count),) = warehouse.query(
        """
        with known as (
            select max(listened_date) + 1 as known_from
            from marts.fct_listens
            where first_observed_at = (select min(first_observed_at) from marts.fct_listens)
        ),

        firsts as (select min(listened_date) as day from marts.fct_listens group by user_id)

        select
            known_from,
            (select count(*) from marts.fct_listens),
            (select count(*) from marts.fct_listens where listened_date >= known_from),
            (
                select count(*) from firsts
                where date_trunc('week', day) >= known_from
            )
        from known
        """
    )
    data = write_page(settings_of, tmp_path / "page.html", "crawled_marts")
    assert data.known_from == data.first_charted_day == known_from
    assert 0 < sum(data.days[0]) == known_count < count
    assert data.totals[0][-1][0] == count
    assert data.totals[0][-2][0] <= known_count
    assert data.first_week is not None
    assert known_from <= data.first_week < known_from + timedelta(days=7)
    assert sum(data.new[0]) == new_count < sum(data.active[0])
    assert sum(listeners for _, (listeners, *_) in data.cohorts) <= new_count


def test_after_one_crawl_no_day_is_known(
    browser: Browser, warehouse: Warehouse, settings_of: Settings, tmp_path: Path
) -> None:
    first = "(select min(first_observed_at) from marts.fct_listens)"
    copy_marts(
        warehouse,
        "one_crawl_marts",
        f"select * from marts.fct_listens where first_observed_at = {first}",
        "listened_at_source = 'record_updated_at'",
    )
    data = write_page(settings_of, tmp_path / "page.html", "one_crawl_marts")
    with opened(browser, tmp_path / "page.html", "phone") as seen:
        assert seen.number("listens") == data.listen_count
        assert seen.page.is_visible("#tracks-chart svg")
        for chart in ("days", "weeks"):
            assert "days are known from" in seen.page.inner_text(f"#{chart}-empty")
        seen.choose(days=7)
        assert seen.number("listens") == 0
        assert not seen.page.inner_text("#change-listens")


def test_one_listen_is_enough_for_a_page(
    browser: Browser, warehouse: Warehouse, settings_of: Settings, tmp_path: Path
) -> None:
    copy_marts(warehouse, "first_marts", "select * from marts.fct_listens limit 1")
    write_page(settings_of, tmp_path / "page.html", "first_marts")
    with opened(browser, tmp_path / "page.html", "phone") as seen:
        assert seen.number("listens") == 1
        assert seen.page.is_visible("#days-chart svg")
        assert "no week of first listens" in seen.page.inner_text("#cohorts-empty")


def test_an_odd_date_does_not_stretch_the_page(
    browser: Browser, warehouse: Warehouse, settings_of: Settings, tmp_path: Path
) -> None:
    copy_marts(
        warehouse,
        "old_marts",
        "select * from marts.fct_listens",
        "listened_at = '1970-01-01 01:00', listened_date = '1970-01-01' where listen_key in"
        " (select listen_key from old_marts.fct_listens limit 3)",
    )
    write_page(settings_of, tmp_path / "page.html", "old_marts")
    assert (tmp_path / "page.html").stat().st_size < 2_000_000
    with opened(browser, tmp_path / "page.html") as seen:
        assert [(seen.number("listens"),)] == warehouse.query(
            "select count(*) from marts.fct_listens"
        )
        assert "3 earlier listens are in the totals only" in seen.page.inner_text("#days-reading")


def test_the_command_writes_the_page(warehouse: Warehouse, tmp_path: Path) -> None:
    environment = {"LISTENHOUSE_DATABASE_URL": warehouse.url, "LISTENHOUSE_HOME": str(tmp_path)}
    outcome = run_command("listenhouse", "pages", "listening", environment=environment)

    file = tmp_path / "pages" / "listening.html"
    assert outcome.returncode == 0, outcome.stderr
    assert str(file) in outcome.stdout
    assert "Licensed to the Apache Software Foundation" in file.read_text()
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schema", "no_such_marts"], "There is no schema no_such_marts with marts in it"),
        (["--output", "/dev/null/page.html"], "cannot be written to /dev/null/page.html"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    warehouse: Warehouse, tmp_path: Path, arguments: list[str], message: str
) -> None:
    outcome = run_command(
        "listenhouse",
        "pages",
        "listening",
        *arguments,
        environment={
            "LISTENHOUSE_DATABASE_URL": warehouse.url,
            "LISTENHOUSE_HOME": str(tmp_path),
        },
    )
    assert outcome.returncode == 1
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_echarts_is_the_file_that_npm_serves() -> None:
    folder = PROJECT_ROOT / "monitoring" / "vendor" / "echarts"
    digest = hashlib.sha256((folder / "echarts.min.js").read_bytes()).hexdigest()
    assert f"sha256  {digest}" in (folder / "README.md").read_text()
