"""The syntax tree of a model or macro, jinja and all.

In: the text of a file in `dbt_project/models` or `macros`. Out: sqlfluff's trees of the SQL in
it. Before the parse, each jinja tag is written over by as many characters of plain SQL, so that
what the tree says of places holds in the file. Of an if and its else, which no statement has
both, only the first is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlfluff.core import FluffConfig, Linter
from sqlfluff.core.parser import BaseSegment

# config(…) may have tags within its strings
TAG = re.compile(
    r"""\{\{-?\s*config\((?:\"{3}.*?\"{3}|'[^']*'|[^'"])*?\)\s*-?\}\}"""
    r"""|\{\{.*?\}\}|\{%.*?%\}|\{\#.*?\#\}""",
    re.DOTALL,
)

_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+).*?-?%\}(.*?)\{%-?\s*endmacro", re.DOTALL)
# what is there between two rounds of a loop is no SQL by itself
_BETWEEN_ROUNDS = re.compile(r"\{%-?\s*if not loop\.\w+.*?endif\s*-?%\}", re.DOTALL)
_ONLY_TAG_IN_CTE = re.compile(r"(?<=as \()(\s*)(\{\{.*?\}\})(?=\s*\))", re.DOTALL)
_LINTER = Linter(config=FluffConfig(overrides={"dialect": "postgres", "templater": "raw"}))
# a macro is a part of a statement: what stands before and after it
_AROUND_MACRO = (
    ("select ", ""),
    ("select 1 from t ", ""),
    ("with ", " last as (select jinja) select jinja"),
)


class UnreadableSqlError(Exception):
    """SQL that sqlfluff cannot parse once jinja is out of the way."""


@dataclass(frozen=True)
class Tree:
    """A syntax tree and where it stands.

    Attributes:
        root: The tree.
        shift: What to add to a place in the tree to get that in the file.
        start: Where it starts in the file.
    """

    root: BaseSegment
    shift: int
    start: int

    def span(self, segment: BaseSegment) -> tuple[int, int]:
        """Where a segment of the tree starts and stops in the file."""
        assert segment.pos_marker is not None  # noqa: S101 (parsed from a text)
        place = segment.pos_marker.source_slice
        return place.start + self.shift, place.stop + self.shift


def trees(text: str, name: str) -> Iterator[Tree]:
    """Parses the SQL in a file.

    Args:
        text: The file's text: a model, or macros.
        name: What to call it in an error.

    Yields:
        The tree of the model, or of each macro that PostgreSQL meets and that is SQL.

    Raises:
        UnreadableSqlError: It cannot be parsed.
    """
    macros = list(_MACRO.finditer(text))
    if not macros:
        yield Tree(_parse(_without_jinja(text), name), shift=0, start=0)
    for macro in macros:
        if is_sql_macro(macro[1], macro[2]):
            yield _macro_tree(macro, f"{name} ({macro[1]})")


def is_sql_macro(name: str, body: str) -> bool:
    """Whether a macro is a query for PostgreSQL, not for other engines, and not a mere program."""
    body = _BETWEEN_ROUNDS.sub("", body)
    if name.startswith(("default__", "create_")) or re.search(
        r"\breturn\(|\{%-?+\s*+(?!for|endfor)", body
    ):
        return False
    return bool(re.search(r"[(~<]|\bcast\b", TAG.sub("", body)))


def otherwise_spans(text: str) -> list[tuple[int, int]]:
    """Where a text has what comes after the `else` of a jinja `if`, up to its end.

    Args:
        text: The file's text.

    Returns:
        Start and stop of each, the tags themselves included.
    """
    spans = []
    ifs: list[int | None] = []
    for tag in TAG.finditer(text):
        word = re.match(r"\{%-?\s*(if|elif|else|endif)\b", tag[0])
        if word is None:
            continue
        if word[1] == "if":
            ifs.append(None)
        elif word[1] == "endif":
            start = ifs.pop()
            if start is not None:
                spans.append((start, tag.end()))
        elif ifs and ifs[-1] is None:
            ifs[-1] = tag.start()
    return spans


def _macro_tree(macro: re.Match[str], name: str) -> Tree:
    body = _without_jinja(macro[2])
    for before, after in _AROUND_MACRO:
        try:
            root = _parse(before + body + after, name)
            return Tree(root, macro.start(2) - len(before), macro.start(2))
        except UnreadableSqlError as error:
            problem = error
    raise problem


def _parse(sql: str, name: str) -> BaseSegment:
    root = _LINTER.parse_string(sql).tree
    if root is None or "unparsable" in root.type_set() or root.raw != sql:
        raise UnreadableSqlError(f"{name} cannot be parsed once jinja is out of the way:\n{sql}")
    return root


def _without_jinja(text: str) -> str:
    for start, stop in otherwise_spans(text):
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:stop]) + text[stop:]
    text = _BETWEEN_ROUNDS.sub(_blank, text)
    text = _ONLY_TAG_IN_CTE.sub(lambda m: m[1] + "select jinja".ljust(len(m[2])), text)
    return TAG.sub(_plain, text)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _plain(tag: re.Match[str]) -> str:
    """A name in place of an expression, white space in place of anything else."""
    # macros of these names are whole join clauses, and whole common table expressions
    if not tag[0].startswith("{{") or re.search(r"config\(|cross_join_|split_genres\(", tag[0]):
        return _blank(tag)
    return "jinja".ljust(len(tag[0]), "_")
