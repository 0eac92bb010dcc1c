"""The wrapped page: a month or year, whose figures are those of the marts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser

from monitoring.wrapped_page.data import read_wrapped
from monitoring.wrapped_page.page import render_page, write_page
from monitoring.wrapped_page.period import Period, month_of, parse_period
from tests.commands import run_command
from tests.conftest import copied_database
from tests.dbt_project.warehouse_build import Warehouse
from tests.monitoring.browsing import SCHEMES, VIEWPORTS, opened_page
from warehouse.settings import Settings

MARCH = parse_period("2025-03")
MADE_AT = datetime(2026, 6, 1, 3, tzinfo=UTC)

KNOWN = """
    (
        select fct_listens.* from marts.fct_listens
        inner join marts.rpt_source_coverage using (source_name)
        where listened_date between greatest(known_from_date, '2025-03-01') and '2025-03-31'
    ) as listens
"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_the_figures_are_those_of_the_marts(
    browser: Browser, warehouse: Warehouse, tmp_path: Path, viewport: str, scheme: str
) -> None:
    settings = Settings(home=tmp_path, external_database_url=warehouse.url)
    # the last month that is over: of April, only the first day is known
    wrapped = write_page(settings, tmp_path / "wrapped.html", "marts")
    assert wrapped.period == MARCH
    ((listens, listeners, tracks, hours),) = warehouse.query(
        f"""
        select count(*), count(distinct user_id), count(distinct listens.track_id),
            round(sum(duration_seconds) / 3600.0)::int
        from {KNOWN} inner join marts.dim_tracks using (track_key)
        """
    )
    assert listens > 500
    with opened_page(browser, tmp_path / "wrapped.html", viewport, scheme) as page:
        assert page.inner_text("h1") == "March 2025, wrapped"
        for name, value in {
            "listens": listens,
            "listeners": listeners,
            "tracks": tracks,
            "hours": hours,
        }.items():
            assert page.inner_text(f"#{name}") == f"{value:,}"
        artists = warehouse.query(
            f"""
            select artist_name, count(*)::text from {KNOWN}
            inner join marts.dim_tracks as tracks using (track_key)
            where artist_name is not null
            group by tracks.artist_key, 1 order by count(*) desc, tracks.artist_key limit 5
            """
        )
        names = page.locator("#top-artists .name").all_inner_texts()
        counts = page.locator("#top-artists .count").all_inner_texts()
        assert list(zip(names, counts, strict=True)) == artists
        for chart in ("top-tracks", "top-genres"):
            assert page.locator(f"#{chart} li").count() == 5
        width = VIEWPORTS[viewport][0]
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_records_are_counted_as_a_person_would(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        wrapped = read_wrapped(connection, "marts", MARCH)
    rows: list[tuple[str, str, date]] = warehouse.query(
        f"select coalesce(user_id, ''), track_id, listened_date from {KNOWN}"
    )
    by_day = sorted(day for _, _, day in rows)
    sizes = {day: len(list(group)) for day, group in groupby(by_day)}
    largest = max(sizes.values())
    first = min(day for day, size in sizes.items() if size == largest)
    assert wrapped.biggest_day == (first, largest)

    longest = 0
    days = {(user, day) for user, _, day in rows if user}
    for user, day in days:
        if (user, day - timedelta(days=1)) not in days:
            length = 1
            while (user, day + timedelta(days=length)) in days:
                length += 1
            longest = max(longest, length)
    assert wrapped.streak == longest > 1

    known = {
        track
        for (track,) in warehouse.query(
            "select distinct track_id from marts.fct_listens"
            " inner join marts.rpt_source_coverage using (source_name)"
            " where listened_date < greatest(known_from_date, '2025-03-01')"
        )
    }
    discovered = {track for _, track, _ in rows} - known
    assert wrapped.discoveries == len(discovered) > 0
    assert wrapped.top_discovery is not None
    counts = [sum(track == one for _, track, _ in rows) for one in discovered]
    assert wrapped.top_discovery.listen_count == max(counts)


def test_days_that_are_not_known_do_not_count(warehouse: Warehouse) -> None:
    with (
        copied_database(warehouse.url, "known_late") as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        connection.execute("update marts.rpt_source_coverage set known_from_date = '2025-03-12'")
        wrapped = read_wrapped(connection, "marts")
        counted = connection.execute(
            "select count(*) from marts.fct_listens"
            " where listened_date between '2025-03-12' and '2025-03-31'"
        ).fetchone()
    assert wrapped.period == MARCH
    assert wrapped.known_from == date(2025, 3, 12)
    assert counted == (wrapped.listens,)


def test_before_any_day_is_known_it_is_of_this_month(warehouse: Warehouse) -> None:
    with (
        copied_database(warehouse.url, "not_known_yet") as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        connection.execute(
            "update marts.rpt_source_coverage set known_from_date = last_listened_date + 1"
        )
        wrapped = read_wrapped(connection, "marts")
    assert wrapped.period == month_of(datetime.now(UTC).date())
    assert wrapped.listens == 0


def test_a_month_without_listens_says_so(
    browser: Browser, warehouse: Warehouse, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, external_database_url=warehouse.url)
    write_page(settings, tmp_path / "wrapped.html", "marts", parse_period("1999-12"))
    with opened_page(browser, tmp_path / "wrapped.html", "phone") as page:
        assert "No listen of December 1999 is known" in page.inner_text("main")


def test_names_are_text_of_a_bounded_length(warehouse: Warehouse) -> None:
    with (
        copied_database(warehouse.url, "long_names") as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        connection.execute("update marts.dim_tracks set track_name = '<b>' || repeat('x', 100000)")
        wrapped = read_wrapped(connection, "marts", MARCH)
    page = render_page(wrapped, MADE_AT)
    assert len(page) < 20_000
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("text", "period", "name"),
    [
        ("2025-03", Period(date(2025, 3, 1), date(2025, 4, 1)), "March 2025"),
        ("2025-12", Period(date(2025, 12, 1), date(2026, 1, 1)), "December 2025"),
        ("2025-01", Period(date(2025, 1, 1), date(2025, 2, 1)), "January 2025"),
        ("2025", Period(date(2025, 1, 1), date(2026, 1, 1)), "2025"),
    ],
)
def test_a_period_is_a_year_or_a_month(text: str, period: Period, name: str) -> None:
    assert parse_period(text) == period
    assert period.name == name


@pytest.mark.parametrize("period", ["2026-13", "lately", "26", "0000"])
def test_what_is_no_period_is_refused(tmp_path: Path, period: str) -> None:
    outcome = run_command(
        *("listenhouse", "pages", "wrapped", "--period", period),
        environment={"LISTENHOUSE_HOME": str(tmp_path)},
    )
    assert outcome.returncode == 2
    assert f"{period} is not a year or a month: write it as 2026 or 2026-11" in outcome.stderr
