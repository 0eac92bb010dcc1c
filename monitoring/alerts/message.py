"""How an alert reads: plain text that a mail, a chat and a terminal show alike.

In: notices, and where to look. Out: a title and a body, without secrets or personal data.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from monitoring.alerts.finding import Finding, Severity
from monitoring.alerts.notices import Notice, NoticeKind
from warehouse.database_url import parse_database_url
from warehouse.settings import Settings

_MAX_NOTICES = 20
"""More of them nobody reads in one message, and Teams refuses more than 28 KB."""


class Tone(StrEnum):
    """How urgent a message is, in Apprise's words: a colour in a chat."""

    GOOD = "success"
    PLAIN = "info"
    WARNING = "warning"
    CRITICAL = "failure"


@dataclass(frozen=True)
class Line:
    """One line of a message.

    Attributes:
        label: What it is about.
        text: What it says; of a link, what is shown for it.
        url: Where it leads to.
    """

    label: str
    text: str
    url: str | None = None


@dataclass(frozen=True)
class Message:
    """What is sent.

    Attributes:
        title: One line.
        paragraphs: The body.
        tone: How urgent.
    """

    title: str
    paragraphs: Sequence[Sequence[Line]]
    tone: Tone

    def as_text(self) -> str:
        """The body as plain text."""
        return "\n\n".join(
            "\n".join(f"{line.label}: {line.url or line.text}" for line in paragraph)
            for paragraph in self.paragraphs
        )

    def as_markdown(self) -> str:
        """The body in the little Markdown that Teams knows: bold and links.

        Each line is a paragraph, as a line break within one is not shown everywhere.
        """
        return "\n\n".join(
            f"**{line.label}:** {_as_link(line)}"
            for paragraph in self.paragraphs
            for line in paragraph
        )


def name_warehouse(settings: Settings) -> str:
    """Names the warehouse: the database, and the machine it is on."""
    parameters = parse_database_url(settings.database_url)
    host = socket.gethostname() if settings.uses_embedded_postgres else parameters["host"]
    return f"{host}/{parameters['dbname']}"


def write_message(settings: Settings, notices: Sequence[Notice]) -> Message:
    """Writes one message on all that a target has to be told now.

    Args:
        settings: Which warehouse, and where its health page is.
        notices: The worst first.
    """
    counts = Counter(_word(notice) for notice in notices)
    paragraphs = [_paragraph(settings, notice) for notice in notices[:_MAX_NOTICES]]
    if len(notices) > _MAX_NOTICES:
        rest = f"{len(notices) - _MAX_NOTICES} more, see `listenhouse alerts list`"
        paragraphs.append([Line("Not shown", rest)])
    return Message(
        title=f"Listenhouse: {_enumerate(counts)} on {name_warehouse(settings)}",
        paragraphs=[*paragraphs, [_footer(settings)]],
        tone=_tone(counts),
    )


def write_unrecorded(settings: Settings, finding: Finding) -> Message:
    """Writes a message on a failure that no check can keep in mind.

    Args:
        settings: Which warehouse.
        finding: The failure.
    """
    return Message(
        title=f"Listenhouse: 1 {finding.severity} on {name_warehouse(settings)}",
        paragraphs=[
            _describe(settings, finding.severity.capitalize(), finding),
            [
                Line(
                    "Note",
                    "The database could not be asked what was told before, so each run that ends "
                    "like this tells it again, and the end of it is not told.",
                )
            ],
        ],
        tone=Tone.CRITICAL,
    )


def write_test(settings: Settings, tags: Collection[str]) -> Message:
    """Writes a message that only proves that it arrives.

    Args:
        settings: Which warehouse.
        tags: What the target will be told of.
    """
    return Message(
        title=f"Listenhouse: a test from {name_warehouse(settings)}",
        paragraphs=[
            [Line("Test", "Nothing is wrong, this message arrived.")],
            [Line("Tags of this target", ", ".join(sorted(tags)))],
        ],
        tone=Tone.PLAIN,
    )


def describe_moment(moment: datetime) -> str:
    """A moment as people read it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _as_link(line: Line) -> str:
    # only what would be markup: where escapes are not known, they show, so the fewer the better
    text = re.sub(r"(?<!\w)_|_(?!\w)|[*\[\]\\]", r"\\\g<0>", line.text)
    if line.url is None:
        return re.sub(r"\s*\n\s*", "\n\n", text)
    return f"[{text}]({line.url.replace(')', '%29')})"


def _word(notice: Notice) -> str:
    if notice.kind is NoticeKind.RECOVERED:
        return NoticeKind.RECOVERED
    return notice.alert.finding.severity


def _enumerate(counts: Counter[str]) -> str:
    return ", ".join(
        f"{count} {word}{'s' if word == Severity.WARNING and count > 1 else ''}"
        for word, count in counts.items()
    )


def _tone(counts: Counter[str]) -> Tone:
    if counts[Severity.CRITICAL]:
        return Tone.CRITICAL
    return Tone.WARNING if counts[Severity.WARNING] else Tone.GOOD


def _paragraph(settings: Settings, notice: Notice) -> list[Line]:
    finding = notice.alert.finding
    if notice.kind is NoticeKind.RECOVERED:
        late = "" if notice.was_told else " (it could not be told when it began)"
        return [Line("Recovered", f"{finding.headline}{late}")]
    word = finding.severity.capitalize()
    if notice.kind is NoticeKind.RAISED:
        word += ", was a warning"
    return _describe(settings, word, finding)


def _describe(settings: Settings, word: str, finding: Finding) -> list[Line]:
    lines = [Line(word, finding.message), Line("Next", finding.next_step)]
    if finding.found_at is not None:
        lines.append(Line("Since", describe_moment(finding.found_at)))
    if finding.run_id is not None and settings.health_url:
        url = f"{settings.health_url}#run-{finding.run_id}"
        lines.append(Line("Run", str(finding.run_id).partition("-")[0], url))
    return lines


def _footer(settings: Settings) -> Line:
    if settings.health_url:
        return Line("Health page", "of the warehouse", settings.health_url)
    return Line("More", "`listenhouse runs`, `listenhouse alerts list`")
