"""The code blocks of the documentation: where they stand, what they say, who executes them.

In: README.md and docs/. Out: snippets. A block whose commands nothing here can run says why, in a
comment right above it that readers do not see: `<!-- not run: REASON -->`. One that another file
executes names it: `<!-- run by: PATH -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

PAGES = (PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md")))

_BLOCK = re.compile(
    r"(?:^[ ]*<!-- (?P<kind>not run|run by): (?P<told>[^>]+?) -->\n(?:[ ]*\n)?)?"
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
        executor: File that runs its commands, from the repository's root.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str | None = None
    executor: str | None = None

    @property
    def runs_here(self) -> bool:
        """Whether nobody else executes it, and nothing forbids it."""
        return not (self.reason or self.executor)

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
            reason=found["told"] if found["kind"] == "not run" else None,
            executor=found["told"] if found["kind"] == "run by" else None,
        )
        for found in _BLOCK.finditer(text)
    ]


SNIPPETS = [snippet for page in PAGES for snippet in read_snippets(page)]


def commands(text: str) -> list[str]:
    """The commands of a shell block, without comments and line continuations."""
    joined = text.replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [" ".join(line.split()) for line in lines if line]
