"""The calendar, day by day against Python's."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tests.dbt_project.landing import Day, Landing, boundary, history
from tests.dbt_project.warehouse_build import Warehouse

SEASONS = ("winter", "spring", "summer", "autumn")


def expected(day: date) -> tuple[object, ...]:
    next_day = day + timedelta(days=1)
    month_end = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    quarter = (day.month + 2) // 3
    week = day.isocalendar()
    return (
        *(day, day.year, quarter, day.month, day.strftime("%B"), day.day),
        *(day.timetuple().tm_yday, week.year, week.week, week.weekday, day.strftime("%A")),
        *(SEASONS[day.month % 12 // 3], day - timedelta(days=day.weekday()), day.replace(day=1)),
        *(month_end, date(day.year, 3 * quarter - 2, 1), day.weekday() >= 5, next_day.day == 1),
    )


def test_the_calendar_is_right_from_the_first_year_of_the_data_to_the_last(
    warehouse: Warehouse, landing: Landing
) -> None:
    oldest = history(1, [10], updated_at=datetime(2019, 7, 1))
    landing.crawl(boundary(1), Day(listen_history=(oldest,)))
    warehouse.dbt("run", "--select", "+dim_dates")
    rows = warehouse.query("select * from marts.dim_dates order by 1")
    days = (date(2019, 1, 1) + timedelta(days=n) for n in range(8 * 365 + 2))
    assert rows == [expected(day) for day in days]
    assert rows[-1][0] == date(2026, 12, 31)


def test_the_calendar_covers_all_crawls_and_all_listens(
    warehouse: Warehouse, landing: Landing
) -> None:
    first_and_last = "select min(date_day), max(date_day) from marts.dim_dates"
    # crawls of two years, then listens of two years before them
    landing.crawl(boundary(1), Day())
    landing.crawl(boundary(300), Day())
    warehouse.dbt("run", "--select", "+dim_dates")
    assert warehouse.query(first_and_last) == [(date(2026, 1, 1), date(2027, 12, 31))]

    older, newer = (history(n, [10], updated_at=datetime(2018 + n, 7, 1)) for n in (1, 2))
    landing.crawl(boundary(301), Day(listen_history=(older, newer)))
    warehouse.dbt("run", "--select", "+dim_dates")
    assert warehouse.query(first_and_last) == [(date(2019, 1, 1), date(2027, 12, 31))]
