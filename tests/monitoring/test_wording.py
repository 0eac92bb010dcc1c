"""Figures and times as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from monitoring import wording

NOW = datetime(2026, 11, 21, 8, 12)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0.04, "40 ms"),
        (0.1, "0.1 s"),
        (22.34, "22.3 s"),
        (99.96, "1 min 40 s"),
        (312.4, "5 min 12 s"),
        (3599.6, "1 h 0 min"),
        (11_100, "3 h 5 min"),
        (172_799, "2.0 days"),
    ],
)
def test_a_duration_has_the_units_it_needs(seconds: float | None, words: str) -> None:
    assert plain(wording.duration(seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.00821, "8.2 ms"), (0.12, "120 ms"), (1.244, "1.24 s")],
)
def test_a_latency_is_told_in_milliseconds_or_seconds(seconds: float | None, words: str) -> None:
    assert plain(wording.latency(seconds)) == words


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59.9), "59 minutes ago"),
        (timedelta(hours=47.9), "47 hours ago"),
        (timedelta(hours=50), "2 days ago"),
    ],
)
def test_an_age_is_told_in_one_unit(passed: timedelta, words: str) -> None:
    assert wording.age(NOW - passed, NOW) == words


def test_numbers_have_their_fraction_and_no_more() -> None:
    assert [wording.number(value) for value in (None, 1_234.0, 0.25, 0)] == [
        "–",
        "1,234",
        "0.25",
        "0",
    ]


def test_a_figure_and_its_unit_stay_on_one_line() -> None:
    assert wording.together("60 % below, 4 s, 12 new") == (
        "60\N{NO-BREAK SPACE}% below, 4\N{NO-BREAK SPACE}s, 12 new"
    )


def test_days_are_days_of_the_week() -> None:
    assert wording.day(NOW.date()) == "Sat 21 Nov"
    assert wording.short_day(NOW.date()) == "21 Nov"
    assert wording.moment(NOW) == "21 Nov 2026, 08:12"
    assert wording.moment(datetime(2026, 11, 21)) == "21 Nov 2026"


@pytest.mark.parametrize(
    ("share", "words"), [(None, "–"), (0.00644, "0.64 %"), (0.125, "12.5 %"), (1, "100.0 %")]
)
def test_a_share_is_told_in_percent(share: float | None, words: str) -> None:
    assert plain(wording.percentage(share)) == words


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (None, "–"),
        (0.00423, "+0.42"),
        (-0.012, f"{wording.MINUS}1.20"),
        (-0.00001, "0.00"),
        (0, "0.00"),
    ],
)
def test_a_difference_has_its_sign(difference: float | None, words: str) -> None:
    assert wording.points(difference) == words
