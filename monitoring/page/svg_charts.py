"""Chart shapes as inline SVG, for pages that are read without a script.

In: figures, their words and where they stand. Out: `<svg>` markup. Places across are percentages:
a chart fits any width, and its text keeps its size. Lines and areas, which know no percentages,
are drawn into a nested `<svg>` that is stretched while its strokes are not. Colours and margins
come from the page's style, by class; axis labels hang into the margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

_STRETCHED = 1000
"""Units across of what is stretched."""

_MIN_SLOTS = 12
"""Bars are no wider than as if there were as many."""

_LABEL_GAP = 0.2
"""Labels along an axis are at least this share of its width apart."""

_SMALLEST_BAR = 2
_DOTTED = 31
"""Lines of up to as many points get a dot at each."""

_EMPTY = Markup()

_SHAPES = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
    "diamond": "M0-5.5 5.5 0 0 5.5-5.5 0Z",
    "square": "M-3.5-3.5h7v7h-7Z",
}

_GLYPHS = {"bad": "M-3-3 3 3M3-3-3 3", "warn": "M0-4.5V0M0 3.2V3.4"}
"""What says the same as a colour: a cross, an exclamation mark."""


@dataclass(frozen=True)
class Caption:
    """What a drawing is, for those who do not see it.

    Attributes:
        identity: Of the drawing, in its page.
        title: What it shows, in a few words.
        description: What there is to see.
    """

    identity: str
    title: str
    description: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes:
        value: Where it ends; None for something without a length.
        label: What it is, for who points at it.
        tone: Class of its colour.
        base: Where it begins.
        limit: Where a tick crosses it, if anywhere.
        link: Where a click leads.
    """

    value: float | None
    label: str
    tone: str = "plain"
    base: float = 0
    limit: float | None = None
    link: str | None = None


@dataclass(frozen=True)
class Point:
    """A point of a line, and the range around it.

    Attributes:
        place: Where it stands across, from 0 to 1.
        value: Its height.
        label: What it is, for who points at it.
        low: Lower end of the range; None where there is none.
        high: Upper end.
        tone: Class of the mark that it gets; none when empty.
        points_up: Whether that mark is a triangle upwards, not downwards.
    """

    place: float
    value: float
    label: str
    low: float | None = None
    high: float | None = None
    tone: str = ""
    points_up: bool = True


@dataclass(frozen=True)
class Estimate:
    """A value and how sure it is, beside others of the same group.

    Attributes:
        value: Its height.
        label: What it is, for who points at it.
        tone: Class of its colour.
        shape: Of its mark: circle, diamond or square.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
    """

    value: float
    label: str
    tone: str
    shape: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Share:
    """A part of a whole."""

    count: int
    label: str
    tone: str


@dataclass(frozen=True)
class _Scale:
    """Heights of values in a plot whose top is 0."""

    low: float
    high: float
    height: float

    def __call__(self, value: float) -> float:
        return self.height * (self.high - value) / (self.high - self.low)


def bar_chart(
    caption: Caption,
    bars: Sequence[Bar | None],
    across: Sequence[str],
    unit: Callable[[float], str],
    height: int = 140,
) -> Markup:
    """Bars from left to right, upwards from 0 or from bases of their own.

    Args:
        caption: What it shows.
        bars: From left to right; None leaves a gap.
        across: What stands below each bar, where there is room.
        unit: How values are written along the axis.
        height: Of the plot, in pixels.
    """
    ends = [each for bar in bars if bar for each in (bar.value, bar.limit) if each is not None]
    ticks = round_ticks(0, max(ends, default=0) or 1)
    scale = _Scale(0, ticks[-1], height)
    slot = 1 / max(len(bars), _MIN_SLOTS)
    places = [(index + 0.5) * slot for index in range(len(bars))]
    drawn = [_bar(bar, place, slot, scale) for bar, place in zip(bars, places, strict=True) if bar]
    labels = _spread(list(zip(places, across, strict=True)))
    is_linked = any(bar and bar.link for bar in bars)
    return _figure(
        caption,
        "group" if is_linked else "img",
        height,
        [_axes(ticks, scale, labels, unit), *drawn],
    )


def band_chart(
    caption: Caption,
    points: Sequence[Point],
    across: Sequence[tuple[float, str]],
    unit: Callable[[float], str],
    height: int = 140,
) -> Markup:
    """A line, the band around it, and marks on what is outside.

    The axis begins at 0, unless all values are in its upper half or some are below it.

    Args:
        caption: What it shows.
        points: From left to right.
        across: Places from 0 to 1 and what stands below them.
        unit: How values are written along the axis.
        height: Of the plot, in pixels.
    """
    ticks = _ticks(_reach(points))
    scale = _Scale(ticks[0], ticks[-1], height)
    return _figure(
        caption,
        "img",
        height,
        # the band would hide the line at 0
        [_lines(points, scale), _axes(ticks, scale, across, unit), _dots(points, scale)],
    )


def interval_chart(
    caption: Caption,
    groups: Sequence[Sequence[Estimate | None]],
    across: Sequence[str],
    unit: Callable[[float], str],
    height: int = 140,
) -> Markup:
    """Values with their intervals, in groups from left to right.

    Args:
        caption: What it shows.
        groups: From left to right, all of one length; None leaves a gap.
        across: What stands below each group, where there is room.
        unit: How values are written along the axis.
        height: Of the plot, in pixels.
    """
    ticks = _ticks(_reach([each for group in groups for each in group if each]))
    scale = _Scale(ticks[0], ticks[-1], height)
    slot = 1 / max(len(groups), _MIN_SLOTS)
    places = [(index + 0.5) * slot for index in range(len(groups))]
    drawn = [
        _estimate(each, place + width * (index - (len(group) - 1) / 2), width, scale)
        for place, group in zip(places, groups, strict=True)
        for width in [0.72 * slot / max(len(group), 1)]
        for index, each in enumerate(group)
        if each
    ]
    labels = _spread(list(zip(places, across, strict=True)))
    return _figure(caption, "img", height, [_axes(ticks, scale, labels, unit), *drawn])


def sparkline(caption: Caption, points: Sequence[Point], height: int = 26) -> Markup:
    """A line in its band, as small as a word."""
    lowest, highest = _reach(points)
    scale = _Scale(lowest, highest if highest > lowest else lowest + 1, height)
    marked = [point for point in points if point.tone] or points[-1:]
    return _figure(caption, "img", height, [_lines(points, scale), _dots(marked, scale)])


def share_bar(caption: Caption, shares: Sequence[Share], height: int = 12) -> Markup:
    """One bar that is cut into the parts of a whole."""
    total = sum(share.count for share in shares) or 1
    drawn, place = [], 0.0
    for share in shares:
        width = share.count / total
        if width:
            drawn.append(
                Markup(
                    '<rect class="{}" x="{}" y="0" width="{}" height="{}"><title>{}</title></rect>'
                ).format(share.tone, _percent(place), _percent(width), height, share.label)
            )
        place += width
    return _figure(caption, "img", height, drawn)


def round_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round values, a step of 1, 2 or 5 times a power of ten apart.

    Args:
        low: The first is at or below it.
        high: The last is at or above it.
        most: How many steps fit between both.
    """
    span = (high - low) or abs(high) or 1
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10) if span <= most * power * factor)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _ticks(reach: tuple[float, float]) -> list[float]:
    lowest, highest = reach
    if lowest < 0:
        return round_ticks(lowest, max(highest, 0))
    return round_ticks(lowest if lowest > highest / 2 else 0, highest or 1)


def _reach(points: Sequence[Point | Estimate]) -> tuple[float, float]:
    values = [
        each
        for point in points
        for each in (point.low, point.value, point.high)
        if each is not None
    ]
    return min(values, default=0), max(values, default=0)


def _spread(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Those that do not stand in each other's way, the last one always."""
    kept: list[tuple[float, str]] = []
    for place, text in reversed(labels):
        if not kept or kept[-1][0] - place >= _LABEL_GAP:
            kept.append((place, text))
    return kept


def _figure(caption: Caption, role: str, height: int, drawn: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="figure" id="{id}" role="{role}" aria-labelledby="{id}-title {id}-words"'
        ' width="100%" height="{height}"><title id="{id}-title">{title}</title>'
        '<desc id="{id}-words">{description}</desc>{drawn}</svg>'
    ).format(
        id=caption.identity,
        role=role,
        height=height,
        title=caption.title,
        description=caption.description,
        drawn=_EMPTY.join(drawn),
    )


def _axes(
    ticks: Sequence[float],
    scale: _Scale,
    across: Sequence[tuple[float, str]],
    unit: Callable[[float], str],
) -> Markup:
    lines = [
        Markup(
            '<line class="{kind}" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
            '<text x="-8" y="{below}" text-anchor="end">{text}</text>'
        ).format(
            kind="rule zero" if tick == 0 > ticks[0] else "rule",
            y=_short(scale(tick)),
            below=_short(scale(tick) + 4),
            text=unit(tick),
        )
        for tick in ticks
    ]
    labels = [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            _percent(place), _short(scale.height + 18), text
        )
        for place, text in across
    ]
    return _EMPTY.join([*lines, *labels])


def _bar(bar: Bar, place: float, slot: float, scale: _Scale) -> Markup:
    left, width = place - 0.36 * slot, 0.72 * slot
    top, shape = scale(bar.base), _EMPTY
    if bar.value is not None:
        top = min(scale(bar.value), top - _SMALLEST_BAR)
        shape = Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="1.5"/>').format(
            _percent(left), _short(top), _percent(width), _short(scale(bar.base) - top)
        )
    if bar.tone in _GLYPHS:
        shape += Markup(
            '<svg class="glyph" x="{}" y="{}" overflow="visible"><path d="{}"/></svg>'
        ).format(_percent(place), _short(top - 9), _GLYPHS[bar.tone])
    if bar.limit is not None:
        shape += Markup('<line class="limit" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
            _percent(left - 0.1 * slot),
            _percent(left + width + 0.1 * slot),
            y=_short(scale(bar.limit)),
        )
    drawn = Markup(
        '<g class="{}"><title>{}</title>'
        '<rect class="hit" x="{}" y="0" width="{}" height="{}"/>{}</g>'
    ).format(
        bar.tone, bar.label, _percent(place - slot / 2), _percent(slot), _short(scale.height), shape
    )
    return Markup('<a href="{}">{}</a>').format(bar.link, drawn) if bar.link else drawn


def _estimate(each: Estimate, place: float, width: float, scale: _Scale) -> Markup:
    span = _EMPTY
    if each.low is not None and each.high is not None:
        span = Markup('<line class="span" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
            _short(scale(each.high)), _short(scale(each.low)), x=_percent(place)
        )
    return Markup(
        '<g class="{}"><title>{}</title>'
        '<rect class="hit" x="{}" y="0" width="{}" height="{}"/>{}'
        '<svg class="mark" x="{}" y="{}" overflow="visible"><path d="{}"/></svg></g>'
    ).format(
        each.tone,
        each.label,
        _percent(place - width / 2),
        _percent(width),
        _short(scale.height),
        span,
        _percent(place),
        _short(scale(each.value)),
        _SHAPES[each.shape],
    )


def _lines(points: Sequence[Point], scale: _Scale) -> Markup:
    """The line and its band, stretched to the width of the plot."""
    bands = "".join(
        f"M{_path((p.place, scale(p.high)) for p in part if p.high is not None)}"
        f"L{_path((p.place, scale(p.low)) for p in reversed(part) if p.low is not None)}Z"
        for part in _judged(points)
    )
    line = f"M{_path((point.place, scale(point.value)) for point in points)}"
    return Markup(
        '<svg width="100%" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none" overflow="visible">'
        '<path class="band" d="{bands}"/><path class="line" d="{line}"/></svg>'
    ).format(height=_short(scale.height), width=_STRETCHED, bands=bands, line=line)


def _judged(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Neighbours that have a range."""
    part: list[Point] = []
    for point in points:
        if point.low is None or point.high is None:
            if part:
                yield part
            part = []
        else:
            part.append(point)
    if part:
        yield part


def _dots(points: Sequence[Point], scale: _Scale) -> Markup:
    """What can be pointed at, and the marks."""
    edges = [0.0, *((a.place + b.place) / 2 for a, b in pairwise(points)), 1.0]
    drawn = []
    for index, point in enumerate(points):
        x, y = _percent(point.place), _short(scale(point.value))
        mark = _EMPTY
        if point.tone:
            mark = Markup(
                '<svg class="mark {}" x="{}" y="{}" overflow="visible"><path d="{}"/></svg>'
            )
            mark = mark.format(
                point.tone, x, y, "M0-7 6 4H-6Z" if point.points_up else "M0 7 6-4H-6Z"
            )
        elif len(points) <= _DOTTED:
            mark = Markup('<circle class="dot" cx="{}" cy="{}" r="2"/>').format(x, y)
        drawn.append(
            Markup(
                '<g><title>{}</title><rect class="hit" x="{}" y="0" width="{}" height="{}"/>{}</g>'
            ).format(
                point.label,
                _percent(edges[index]),
                _percent(edges[index + 1] - edges[index]),
                _short(scale.height),
                mark,
            )
        )
    return _EMPTY.join(drawn)


def _path(points: Iterator[tuple[float, float]]) -> str:
    return "L".join(f"{_short(_STRETCHED * x)} {_short(y)}" for x, y in points)


def _percent(share: float) -> str:
    return f"{_short(100 * share, 2)}%"


def _short(value: float, digits: int = 1) -> str:
    """As few characters as its digits need."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")
