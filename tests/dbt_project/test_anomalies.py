"""How metrics are judged: the model's own SQL over series that a test makes up.

What series without noise come to, column by column, is in dbt's unit tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import psycopg
import pytest

from tests.dbt_project.warehouse_build import Warehouse

MONDAY = date(2026, 1, 5)
METRIC = "listens_new"
THRESHOLDS = (4, 0.2, 20, "both", 7, 0.4, "warning")


@dataclass(frozen=True)
class Verdict:
    """One row of `rpt_anomalies`."""

    day: int
    method: str
    history_days: int
    expected: float | None
    is_anomaly: bool
    reason: str


class Judge:
    """The compiled model, over a table in place of `fct_daily_load_metrics`."""

    def __init__(self, connection: psycopg.Connection, compiled: str) -> None:
        self.connection = connection
        self.compiled = compiled

    def verdicts(self, values: dict[int, float]) -> list[Verdict]:
        """Judges a series: values by day, counted from a Monday."""
        self.connection.execute("truncate health.fct_daily_load_metrics")
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into health.fct_daily_load_metrics values (%s, 'plays', %s, %s, null)",
                [(METRIC, MONDAY + timedelta(days=day), value) for day, value in values.items()],
            )
        rows = self.connection.execute(
            "select measured_date, method, history_days, expected, is_anomaly, reason"
            f" from ({self.compiled}) as judged order by measured_date".encode()
        ).fetchall()
        return [Verdict((row[0] - MONDAY).days, *row[1:]) for row in rows]

    def found(self, values: Sequence[float]) -> list[int]:
        """The anomalies of a series without gaps."""
        return [
            verdict.day for verdict in self.verdicts(dict(enumerate(values))) if verdict.is_anomaly
        ]


@pytest.fixture(scope="module")
def judge(module_warehouse: Warehouse) -> Iterator[Judge]:
    warehouse = module_warehouse
    warehouse.dbt("seed", "--select", "metric_thresholds")
    warehouse.dbt("compile", "--select", "rpt_anomalies")
    (compiled,) = (warehouse.folder / "target" / "compiled").glob("**/rpt_anomalies.sql")
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        connection.execute(
            "create table health.fct_daily_load_metrics (metric_name text, subject text,"
            " measured_date date, value double precision, covered_hours double precision)"
        )
        # what the project ships may change; what is judged here may not
        connection.execute(
            "update health.metric_thresholds set (score_threshold, minimum_relative_change,"
            " minimum_absolute_change, alert_direction, minimum_days,"
            " short_history_relative_change, severity) = (%s, %s, %s, %s, %s, %s, %s)",
            THRESHOLDS,
        )
        yield Judge(connection, compiled.read_text())


def noisy(days: int) -> list[float]:
    """About 3 % of noise on a trend of 0.3 % a day, with weekends a quarter higher."""
    return [
        (1000 + 3 * day) * (1 + 0.03 * math.sin(day * day)) * (1.25 if day % 7 >= 5 else 1)
        for day in range(days)
    ]


def test_noise_weekends_and_a_trend_are_quiet(judge: Judge) -> None:
    assert judge.found(noisy(200)) == []


def test_a_third_less_is_found_whatever_was_found_before(judge: Judge) -> None:
    values = noisy(61)
    values[52] *= 0.01
    values[53] *= 3
    values[60] *= 0.67
    assert judge.found(values) == [52, 53, 60]


@pytest.mark.parametrize(
    ("days", "factor", "found"),
    [(6, 0.01, False), (7, 0.01, True), (9, 0.01, True), (9, 0.67, False), (9, 3, True)],
)
def test_a_short_history_asks_for_a_larger_change(
    judge: Judge, days: int, factor: float, found: bool
) -> None:
    values = noisy(days + 1)
    values[days] *= factor
    assert judge.found(values) == ([days] if found else [])


@pytest.mark.parametrize("days", [9, 20, 60])
@pytest.mark.parametrize("left", [0, 0.01, 0.3])
def test_a_drop_that_stays_is_found_on_its_first_three_days(
    judge: Judge, days: int, left: float
) -> None:
    values = noisy(days + 3)
    values[days:] = [value * left for value in values[days:]]
    assert judge.found(values) == [days, days + 1, days + 2]


def test_a_short_history_with_large_swings_excuses_a_large_change(judge: Judge) -> None:
    assert judge.found([1000, 300, 1100, 250, 900, 350, 1000, 300, 200]) == []


@pytest.mark.parametrize(
    ("usual", "last", "found"),
    [
        (1200, 1439, False),
        (1200, 1441, True),
        (1200, 961, False),
        (1200, 959, True),
        (10, 30, False),
        (10, 31, True),
        (0.2, 0.9, False),
    ],
)
def test_a_change_has_to_matter_whatever_its_score(
    judge: Judge, usual: float, last: float, found: bool
) -> None:
    assert judge.found([usual] * 30 + [last]) == ([30] if found else [])


def test_a_noisy_series_excuses_what_a_steady_one_does_not(judge: Judge) -> None:
    swinging = [1000 * (1 + 0.4 * math.sin(day * day)) for day in range(60)]
    assert judge.found([*swinging, 700]) == []
    assert judge.found([*swinging, 50]) == [60]


def test_a_new_level_is_learned_in_two_weeks_and_changes_no_earlier_verdict(judge: Judge) -> None:
    before, after = [100.0] * 60, [500.0] * 31
    assert judge.found(before + after) == list(range(60, 75))
    assert judge.verdicts(dict(enumerate(before + after)))[:60] == judge.verdicts(
        dict(enumerate(before))
    )


def test_a_weekly_series_has_no_usual_weekday(judge: Judge) -> None:
    verdicts = judge.verdicts({7 * week: 1000 for week in range(20)})
    assert [verdict.history_days for verdict in verdicts] == [min(week, 8) for week in range(20)]
    assert {verdict.method for verdict in verdicts[7:]} == {"leave-one-out"}


def test_a_weekday_that_was_measured_twice_has_no_usual_value(judge: Judge) -> None:
    # every day but Sundays, then two of them, then a third
    values = {day: 1000.0 for day in range(49) if day % 7 != 6}
    values |= {48: 500.0, 55: 500.0, 62: 500.0, 69: 500.0}
    methods = {verdict.day: verdict.method for verdict in judge.verdicts(values)}
    assert methods[62] == "leave-one-out"
    assert {day: methods[day] for day in (47, 48)} == {
        47: "weekday-adjusted robust",
        48: "leave-one-out",
    }


def test_what_is_older_than_60_days_is_forgotten(judge: Judge) -> None:
    values = dict.fromkeys(range(60), 1000.0)
    last = judge.verdicts({**values, 99: 1000})[-1]
    assert (last.history_days, last.expected) == (21, 1000)
    last = judge.verdicts({**values, 119: 1000})[-1]
    assert last.reason == "plays: 1,000 new listens, not judged: 1 of 7 days of history"


def test_after_a_silence_of_four_weeks_days_are_judged_by_what_was_before(judge: Judge) -> None:
    values = dict.fromkeys(range(60), 1000.0)
    last = judge.verdicts({**values, 88: 100})[-1]
    assert (last.method, last.expected, last.is_anomaly) == ("weekday-adjusted robust", 1000, True)


def test_values_of_any_size_are_judged(judge: Judge) -> None:
    values = [0.0 if day % 2 else 999_999_999_999_999.0 for day in range(61)]
    # before four weeks, as most days were like the first, those like the second are odd
    assert set(judge.found(values)) <= set(range(28))
    assert judge.found([999_999_999_999_999.0] * 60 + [0]) == [60]


@pytest.mark.parametrize(
    ("usual", "last", "reason"),
    [
        (1_234_567, 0, "0 new listens, expected 987,654–1,481,480 on a Friday, 100 % below"),
        (40.5, 200.25, "200 new listens, expected 20.5–60.5 on a Friday, 394 % above"),
        (0.25, 0.0625, "0.0625 new listens, expected 0–20.25 on a Friday"),
        (30, 31, "31 new listens, expected 10–50 on a Friday"),
    ],
)
def test_the_reason_is_for_people(judge: Judge, usual: float, last: float, reason: str) -> None:
    verdict = judge.verdicts(dict(enumerate([usual] * 32 + [last])))[-1]
    assert verdict.reason == f"plays: {reason}"


@pytest.mark.parametrize("every", [1, 6])
def test_half_a_year_is_all_that_a_day_is_judged_by(judge: Judge, every: int) -> None:
    """What an incremental build reads; also of a series with a value every six days."""
    values = {day: value for day, value in enumerate(noisy(500)) if day % every == 0}
    last = max(values)
    recent = {day: value for day, value in values.items() if day >= last - 180}
    assert judge.verdicts(recent)[-1] == judge.verdicts(values)[-1]
