"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Figures: TypeAlias = Mapping[str, int | float | str | None]


class CheckStatus(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class CheckResult:
    """One row of the check's table; holds no personal data.

    Attributes:
        check: Which check.
        subject: The endpoint or table it is about.
        status: Whether someone has to act.
        detail: What was found, in a sentence with its figures.
        figures: The same for machines.
    """

    check: str
    subject: str
    status: CheckStatus
    detail: str
    figures: Figures = field(default_factory=dict)


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun: `1 row`, `2,000 rows`, `2 boundaries`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
