"""Figures and times as people read them.

In: numbers, and UTC times without a zone. Out: short texts.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"

_UNBROKEN = "\N{NO-BREAK SPACE}"

_MANY_PERCENT = 10
_FEW_SECONDS, _SHORT_SECONDS, _SHORT_MILLISECONDS = 0.1, 100, 10
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def number(value: float | None) -> str:
    """`1,234`, or `0.25` where there is a fraction."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 run`, `30 runs`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def percentage(share: float | None) -> str:
    """A share in percent: `12.5 %`, `0.64 %`."""
    if share is None:
        return NOTHING
    percent = 100 * share
    return together(f"{percent:.{1 if percent >= _MANY_PERCENT else 2}f} %")


def points(difference: float | None) -> str:
    """A difference of shares in percentage points: with its sign, such as `+0.42`."""
    return NOTHING if difference is None else signed(100 * difference, 2)


def signed(value: float, digits: int) -> str:
    """A value with its sign, such as `+0.42`; none before zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def duration(seconds: float | None) -> str:
    """How long something took: `25 ms`, `0.6 s`, `5 min 12 s`, `3 h 5 min`, `4.0 days`."""
    if seconds is None:
        return NOTHING
    if seconds < _FEW_SECONDS:
        return latency(seconds)
    if round(seconds, 1) < _SHORT_SECONDS:
        return together(f"{seconds:.1f} s")
    whole = round(seconds)
    if whole < _HOUR:
        return together(f"{whole // _MINUTE} min {whole % _MINUTE} s")
    minutes = round(seconds / _MINUTE)
    if minutes < 2 * _DAY / _MINUTE:
        return together(f"{minutes // 60} h {minutes % 60} min")
    return together(f"{seconds / _DAY:.1f} days")


def latency(seconds: float | None) -> str:
    """How long an answer took: `8.2 ms`, `120 ms`, `1.24 s`."""
    if seconds is None:
        return NOTHING
    if seconds >= 1:
        return together(f"{seconds:.2f} s")
    milliseconds = 1000 * seconds
    return together(f"{milliseconds:.{0 if milliseconds >= _SHORT_MILLISECONDS else 1}f} ms")


def age(then: datetime, now: datetime) -> str:
    """How long ago something was: `just now`, `12 minutes ago`, `26 hours ago`, `3 days ago`."""
    passed = now - then
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{counted(passed // timedelta(minutes=1), 'minute')} ago"
    if passed < timedelta(hours=48):
        return f"{counted(passed // timedelta(hours=1), 'hour')} ago"
    return f"{counted(passed // timedelta(days=1), 'day')} ago"


def moment(at: datetime) -> str:
    """`21 Nov 2026, 08:12`; without the time for midnight, which stands for a day."""
    return f"{at.day} {at:%b %Y}" if at.time() == time.min else f"{at.day} {at:%b %Y, %H:%M}"


def together(text: str) -> str:
    """The text with figures and units kept on one line."""
    return re.sub(r"(?<=\d) (?=%|(?:ms|s|min|h|days)\b)", _UNBROKEN, text)


def day(on: date) -> str:
    """`Sat 21 Nov`."""
    return f"{on:%a} {on.day} {on:%b}"


def short_day(on: date) -> str:
    """`21 Nov`."""
    return f"{on.day} {on:%b}"


def name(identifier: str) -> str:
    """An identifier as words: `listen history`."""
    return identifier.replace("_", " ")
