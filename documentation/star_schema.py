"""The drawing of the star schema, `docs/images/star-schema.svg`.

In: dbt's manifest: the tables of the folder `listening`, and what their tests `foreign_keys` check.
Out: an SVG. `dbt parse && python -m documentation.star_schema` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from math import dist
from pathlib import Path
from typing import Any

from documentation.hooks import Reference, references

FILE = Path(__file__).resolve().parents[1] / "docs" / "images" / "star-schema.svg"

GRID = [(column, row) for row in range(3) for column in range(3)]
"""Places of the tables; the fact is in the middle."""

_WIDTH, _GAP, _HEADER, _LINE, _MARGIN = 192, 34, 30, 22, 6

Box = tuple[int, int, int, int]
"""Left, top, width and height."""

# legible on light and dark pages: boxes bring their background, lines are of a grey between
_STYLE = """
    text { font: 15px system-ui, sans-serif; fill: #1c2b2a }
    .name { font-weight: 600; fill: #ffffff }
    .mark { fill: #5f7472; text-anchor: end }
    .box { fill: #f2f7f6; stroke: #00796b }
    .head { fill: #00796b }
    .fact { fill: #b23c17 }
    line { stroke: #78909c; stroke-width: 2; marker-end: url(#arrow) }
    marker path { fill: #78909c }
"""


def draw(manifest: Mapping[str, Any]) -> str:
    """Draws the star.

    Args:
        manifest: The content of `manifest.json`.

    Returns:
        An SVG. An arrow goes from a table to one that it refers to.

    Raises:
        ValueError: There are more tables than places.
    """
    tables = {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1:3] == ["marts", "listening"]
    }
    if len(tables) > len(GRID):
        raise ValueError(f"{len(tables)} tables do not fit into {len(GRID)} places: extend GRID.")
    referred = {name: references(manifest).get(name, []) for name in sorted(tables)}
    lines = {name: list(_lines(tables[name], referred[name])) for name in referred}
    places = _places(referred)
    heights = [
        _HEADER + _LINE * max(len(lines[name]) for name, (_, on) in places.items() if on == row) + 8
        for row in sorted({row for _, row in places.values()})
    ]
    boxes: dict[str, Box] = {
        name: (
            _MARGIN + column * (_WIDTH + _GAP),
            _MARGIN + sum(heights[:row]) + row * _GAP,
            _WIDTH,
            heights[row],
        )
        for name, (column, row) in places.items()
    }
    edges = sorted({(name, to.table) for name, found in referred.items() for to in found})
    width = max(left + width for left, _, width, _ in boxes.values()) + _MARGIN
    bottom = max(top + height for _, top, _, height in boxes.values()) + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom}" '
            f'width="{width}" height="{bottom}" role="img" aria-labelledby="title">',
            '<title id="title">The star schema: fct_listens in the middle, and what it refers '
            "to</title>",
            f"<style>{_STYLE}</style>",
            '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
            'markerHeight="6" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>',
            *(_edge(boxes[one], boxes[other]) for one, other in edges),
            *(part for name in boxes for part in _table(name, boxes[name], lines[name])),
            "</svg>\n",
        ]
    )


def _lines(table: Mapping[str, Any], referred: Sequence[Reference]) -> Iterator[tuple[str, str]]:
    """What a box says: its own key, the keys of others, how many columns more."""
    foreign = [reference.column for reference in referred]
    own = next(iter(table["columns"]))
    shown = [*([] if own in foreign else [own]), *foreign]
    for column in shown:
        yield column, "→" if column in foreign else "key"
    yield f"{len(table['columns']) - len(shown)} more columns", ""


def _places(referred: Mapping[str, Sequence[Reference]]) -> dict[str, tuple[int, int]]:
    """The arrangement with the shortest arrows; the first of equally good ones."""
    middle = len(GRID) // 2
    (fact,) = (name for name in referred if name.startswith("fct_"))
    others = [name for name in referred if name != fact]
    number = {name: position for position, name in enumerate(others)}
    around = [place for place in GRID if place != GRID[middle]]
    edges = [
        (number.get(name, -1), number.get(to.table, -1))
        for name, found in referred.items()
        for to in found
    ]

    def length(places: Sequence[tuple[int, int]]) -> float:
        # the place after the last is that of the fact, number -1; far is worse than twice near
        return sum(dist(places[one], places[other]) ** 2 for one, other in edges)

    best = min(
        ([*places, GRID[middle]] for places in permutations(around, len(others))), key=length
    )
    return {fact: GRID[middle], **dict(zip(others, best, strict=False))}


def _edge(one: Box, other: Box) -> str:
    """A line from the border of a box to that of another."""
    start, end = _centre(one), _centre(other)
    (x1, y1), (x2, y2) = _border(one, start, end), _border(other, end, start)
    return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"/>'


def _centre(box: Box) -> tuple[float, float]:
    left, top, width, height = box
    return left + width / 2, top + height / 2


def _border(
    box: Box, inside: tuple[float, float], outside: tuple[float, float]
) -> tuple[float, float]:
    """Where a line from the centre leaves a box."""
    _, _, width, height = box
    dx, dy = outside[0] - inside[0], outside[1] - inside[1]
    share = min(width / 2 / abs(dx) if dx else 1, height / 2 / abs(dy) if dy else 1)
    return inside[0] + dx * share, inside[1] + dy * share


def _table(name: str, box: Box, lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    left, top, width, height = box
    kind = "head fact" if name.startswith("fct_") else "head"
    yield f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{height}" rx="4"/>'
    yield f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{_HEADER}" rx="4"/>'
    yield f'<text class="name" x="{left + 9}" y="{top + 20}">{name}</text>'
    for position, (text, mark) in enumerate(lines, start=1):
        y = top + _HEADER + _LINE * position - 5
        yield f'<text x="{left + 9}" y="{y}">{text}</text>'
        if mark:
            yield f'<text class="mark" x="{left + width - 9}" y="{y}">{mark}</text>'


def main() -> None:
    """Writes the drawing."""
    FILE.write_text(draw(json.loads(Path("target/manifest.json").read_text())))


if __name__ == "__main__":
    main()
