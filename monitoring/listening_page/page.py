"""The listening dashboard: one HTML file that opens offline.

In: the figures of `listening_data`. Out: a page with its data, its script and ECharts inside,
which a content security policy keeps from loading anything else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from monitoring.listening_page.data import PERIODS, ListeningData, read_listening
from monitoring.listening_page.recommendations import Recommendations, read_recommendations
from monitoring.page.html_page import PAGE_FOLDER, links_from, render, write_whole
from monitoring.page.marts import MARTS
from monitoring.wording import counted, percentage, points
from warehouse.database import connect
from warehouse.settings import Settings

_ECHARTS = Path(__file__).parents[1] / "vendor" / "echarts" / "echarts.min.js"


def write_page(settings: Settings, output: Path, schema: str) -> ListeningData:
    """Makes the page and writes it, whole or not at all.

    Args:
        settings: Which warehouse.
        output: The file; folders above it are made.
        schema: Schema of the marts.

    Returns:
        What the page shows.

    Raises:
        DatabaseError: The marts cannot be read.
        OutputError: The file cannot be written.
    """
    with connect(settings, "listenhouse pages") as connection:
        data = read_listening(connection, schema)
        # lists are made of the marts of today alone
        recommended = read_recommendations(connection) if schema == MARTS else None
    page = render_page(data, datetime.now(UTC), recommended, links_from(output))
    write_whole(page, output)
    return data


def render_page(
    data: ListeningData,
    made_at: datetime,
    recommended: Recommendations | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> str:
    """Writes the page.

    Args:
        data: What to show.
        made_at: When it was read (UTC).
        recommended: What came of recommendations; None where there are none.
        links: Files of other pages, and their names.

    Returns:
        A complete HTML document.
    """
    scripts = [
        _as_script(path.read_text(encoding="utf-8"))
        for path in (_ECHARTS, PAGE_FOLDER / "listening.js")
    ]
    return render(
        "listening",
        {
            "data": data,
            "recommended": recommended,
            "links": links,
            "made_at": made_at,
            "periods": PERIODS,
            "untimed_count": data.listen_count - data.timed_count,
            "json": _as_json(data),
            "scripts": [Markup(script) for script in scripts],  # noqa: S704 (made safe above)
            "script_hashes": [_hash(script) for script in scripts],
        },
        {"counted": counted, "percentage": percentage, "points": points},
    )


def _as_json(data: ListeningData) -> Markup:
    """JSON that ends no script element, whatever the names in it."""
    written = json.dumps(
        asdict(data) | {"periods": PERIODS},
        default=lambda day: day.isoformat(),
        ensure_ascii=False,
        separators=(",", ":"),
    )
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)  # noqa: S704 (no character in it means anything to HTML)


def _as_script(text: str) -> str:
    """JavaScript that ends no script element; the same program, as both stand in strings only."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE)


def _hash(script: str) -> str:
    """How a content security policy names an inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
