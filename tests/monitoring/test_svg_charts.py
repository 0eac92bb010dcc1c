"""Charts without a browser: round axes, what is drawn, and text that stays text."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from xml.etree import ElementTree as Xml

import pytest

from monitoring.page.svg_charts import (
    Bar,
    Caption,
    Estimate,
    Point,
    Share,
    band_chart,
    bar_chart,
    interval_chart,
    round_ticks,
    share_bar,
    sparkline,
)

CAPTION = Caption("it", "A title", "A description")


def parsed(drawing: str) -> Xml.Element:
    return Xml.fromstring(drawing)  # noqa: S314 (ours)


def numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"-?[\d.]+", text)]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 24, [0, 10, 20, 30]),
        (0, 1, [0, 0.5, 1]),
        (0, 0.68, [0, 0.2, 0.4, 0.6, 0.8]),
        (880, 1120, [800, 900, 1000, 1100, 1200]),
        (0, 1_084_577, [0, 500_000, 1_000_000, 1_500_000]),
        (7, 7, [6, 8]),
        (0, 0, [0, 0.5]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == ticks


def test_ticks_reach_around_whatever_there_is() -> None:
    generator = random.Random(7)  # noqa: S311 (no secret)
    for _ in range(2000):
        low = generator.choice([0.0, 10 ** generator.uniform(-4, 12)])
        high = low + max(low * 1e-3, 10 ** generator.uniform(-3, 12))
        ticks = round_ticks(low, high)
        step = ticks[1] - ticks[0]
        assert ticks[0] <= low + step * 1e-6
        assert ticks[-1] >= high - step * 1e-6
        assert 2 <= len(ticks) <= 6


def test_a_bar_is_as_high_as_its_value() -> None:
    bars = [
        Bar(5, "five", limit=10),
        None,
        Bar(10, "ten", base=5),
        Bar(None, "none", tone="bad"),
    ]
    chart = parsed(bar_chart(CAPTION, bars, ["a", "b", "c", "d"], "{:g}".format, height=100))
    groups = [group for group in chart.iter("g") if group.find("title") is not None]
    assert [group.findtext("title") for group in groups] == ["five", "ten", "none"]
    drawn = [group.findall("rect")[1:] for group in groups]
    assert [(rect.get("y"), rect.get("height")) for rects in drawn for rect in rects] == [
        ("50", "50"),
        ("0", "50"),
    ]
    limits = groups[0].findall("line")
    assert [line.get("y1") for line in limits] == ["0"]
    # what has no length is seen all the same
    assert groups[2].find("svg/path") is not None


def test_a_band_is_drawn_where_there_is_one() -> None:
    points = [
        Point(0, 5, "a"),
        Point(0.25, 5, "b", 4, 6),
        Point(0.5, 5, "c", 4, 6),
        Point(0.75, 5, "d"),
        Point(1, 9, "e", 4, 6, tone="warn"),
    ]
    chart = parsed(band_chart(CAPTION, points, [(0, "x")], "{:g}".format, height=100))
    band, line = (path.get("d") or "" for path in chart.findall("svg/path"))
    parts = [part for part in band.split("M") if part]
    assert [numbers(part)[::2] for part in parts] == [[250, 500, 500, 250], [1000, 1000]]
    assert numbers(line)[::2] == [0, 250, 500, 750, 1000]
    assert len([each for each in chart.iter("svg") if each.get("class") == "mark warn"]) == 1
    # what can be pointed at covers the whole width, once
    hits = [rect for rect in chart.iter("rect") if rect.get("class") == "hit"]
    widths = [numbers(rect.get("width") or "")[0] for rect in hits]
    assert sum(widths) == pytest.approx(100)
    assert min(widths) > 0


def test_the_axis_begins_at_0_unless_that_says_nothing() -> None:
    def lowest(values: list[float]) -> str | None:
        points = [Point(index, value, "") for index, value in enumerate(values)]
        return parsed(band_chart(CAPTION, points, [], "{:g}".format)).findtext("text")

    assert lowest([40, 100]) == "0"
    assert lowest([990, 1010]) == "990"


def test_what_is_below_0_is_drawn_below_a_line_of_its_own() -> None:
    chart = parsed(
        band_chart(CAPTION, [Point(0, -1, "a"), Point(1, 1, "b", -1, 2)], [], "{:g}".format, 90)
    )
    assert [text.text for text in chart.iter("text")] == ["-1", "0", "1", "2"]
    zero = next(line for line in chart.iter("line") if line.get("class") == "rule zero")
    assert zero.get("y1") == "60"
    _, line = chart.findall("svg/path")
    assert numbers(line.get("d") or "") == [0, 90, 1000, 30]


def test_estimates_stand_beside_each_other_in_their_group() -> None:
    group = [
        None,
        Estimate(2, "two", "challenger", "diamond", 1, 3),
        Estimate(1, "one", "popularity", "square"),
    ]
    chart = parsed(interval_chart(CAPTION, [group, group[::-1]], ["a", "b"], "{:g}".format, 90))
    drawn = [each for each in chart.iter("g") if each.find("title") is not None]
    assert [each.findtext("title") for each in drawn] == ["two", "one", "one", "two"]
    assert [each.get("class") for each in drawn[:2]] == ["challenger", "popularity"]
    marks = [mark for each in drawn for mark in each.findall("svg")]
    places = [numbers(mark.get("x") or "")[0] for mark in marks]
    assert places == sorted(places)
    assert [mark.get("y") for mark in marks] == ["30", "60", "60", "30"]
    spans = [(line.get("y1"), line.get("y2")) for each in drawn for line in each.findall("line")]
    assert spans == [("0", "60")] * 2


def test_labels_of_bars_leave_each_other_room() -> None:
    bars = [Bar(1, str(index)) for index in range(30)]
    words = [f"{index} Nov" for index in range(30)]
    chart = parsed(bar_chart(CAPTION, bars, words, "{:g}".format))
    labels = [text for text in chart.iter("text") if text.get("text-anchor") == "middle"]
    places = sorted(numbers(label.get("x") or "")[0] for label in labels)
    assert all(after - before >= 20 for before, after in pairwise(places))
    assert words[-1] in {label.text for label in labels}


def test_shares_fill_the_bar() -> None:
    shares = [Share(8, "8 passed", "good"), Share(0, "0 warned", "warn"), Share(2, "2 bad", "bad")]
    chart = parsed(share_bar(CAPTION, shares))
    assert [(rect.get("x"), rect.get("width")) for rect in chart.iter("rect")] == [
        ("0%", "80%"),
        ("80%", "20%"),
    ]
    assert len(list(parsed(share_bar(CAPTION, [])).iter("rect"))) == 0


def test_a_line_that_never_changes_is_a_line() -> None:
    chart = parsed(sparkline(CAPTION, [Point(0, 0, "a"), Point(1, 0, "b")]))
    paths = [path.get("d") for path in chart.findall("svg/path")]
    assert paths == ["", "M0 26L1000 26"]


def test_text_is_text_whatever_is_in_it() -> None:
    evil = "</title><script>alert(1)</script> & \"'"
    caption = Caption("it", evil, evil)
    drawings = [
        bar_chart(caption, [Bar(1, evil, link=evil)], [evil], lambda _: evil),
        band_chart(caption, [Point(0, 1, evil, tone="bad")], [(0, evil)], lambda _: evil),
        interval_chart(
            caption, [[Estimate(1, evil, "champion", "circle")]], [evil], lambda _: evil
        ),
        sparkline(caption, [Point(0, 1, evil)]),
        share_bar(caption, [Share(1, evil, "good")]),
    ]
    for drawing in drawings:
        chart = parsed(drawing)
        assert not list(chart.iter("script"))
        assert chart.findtext("title") == chart.findtext("desc") == evil
