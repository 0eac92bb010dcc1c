"""The code blocks of the documentation: where they stand, what they say, whether they can run.

In: README.md and docs/. Out: snippets. A block that cannot be executed by a test says why, in a
comment right above it that readers do not see: `<!-- not run: REASON -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

PAGES = (PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md")))

_BLOCK = re.compile(
    r"(?:^[ ]*<!-- not run: (?P<reason>[^>]+?) -->\n(?:[ ]*\n)?)?"
    r"^(?P<indent>[ ]*)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)\n(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Snippet:
    """A block of code on a page.

    Attributes:
        page: The page, from the repository's root.
        line: Its first line there.
        language: As the fence names it.
        text: What it says, without the fence.
        reason: Why nothing runs it.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str | None

    def __str__(self) -> str:
        """Where it is, as the name of a test."""
        return f"{self.page}:{self.line}"


def read_snippets(page: Path) -> list[Snippet]:
    """All blocks of a page, in their order."""
    text = page.read_text()
    return [
        Snippet(
            page=str(page.relative_to(PROJECT_ROOT)),
            line=text.count("\n", 0, found.start("text")) + 1,
            language=found["language"],
            text=re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            reason=found["reason"],
        )
        for found in _BLOCK.finditer(text)
    ]


SNIPPETS = [snippet for page in PAGES for snippet in read_snippets(page)]
