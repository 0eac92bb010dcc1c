"""The wrapped page: one HTML file without a script, as wide as a phone.

In: the figures of `wrapped_page.data`. Out: a page that opens offline; a content security policy
keeps it from loading anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from monitoring import wording
from monitoring.page.html_page import links_from, render, write_whole
from monitoring.wrapped_page.data import Wrapped, read_wrapped
from monitoring.wrapped_page.period import Period
from warehouse.database import connect
from warehouse.settings import Settings


def write_page(
    settings: Settings, output: Path, schema: str, period: Period | None = None
) -> Wrapped:
    """Makes the page and writes it, whole or not at all.

    Args:
        settings: Which warehouse.
        output: The file; folders above it are made.
        schema: Schema of the marts.
        period: Which month or year; the last month that is over when None.

    Returns:
        What the page shows.

    Raises:
        DatabaseError: The marts cannot be read.
        OutputError: The file cannot be written.
    """
    with connect(settings, "listenhouse pages") as connection:
        wrapped = read_wrapped(connection, schema, period)
    write_whole(render_page(wrapped, datetime.now(UTC), links_from(output)), output)
    return wrapped


def render_page(wrapped: Wrapped, made_at: datetime, links: Sequence[tuple[str, str]] = ()) -> str:
    """Writes the page.

    Args:
        wrapped: What to show.
        made_at: When it was read (UTC).
        links: Files of other pages, and their names.

    Returns:
        A complete HTML document.
    """
    return render(
        "wrapped",
        {"wrapped": wrapped, "links": links, "made_at": made_at},
        {"counted": wording.counted, "day": wording.day, "number": wording.number},
    )
