"""Pages as a reader meets them: in a browser, at a desk or on a phone, by day or by night."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

VIEWPORTS = {"desk": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")


@contextmanager
def opened_page(
    browser: Browser, file: Path, viewport: str = "desk", scheme: str = "light"
) -> Iterator[Page]:
    """Opens a page; it may complain of nothing and ask for nothing until it is closed."""
    width, height = VIEWPORTS[viewport]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert complaints == []
    assert requests == [file.as_uri()]


def overlaps(
    boxes: Sequence[tuple[str, float, float, float, float]],
) -> list[tuple[str, str]]:
    """Pairs of texts that cover more than a pixel of each other."""
    return [
        (one[0], other[0])
        for one, other in itertools.combinations(boxes, 2)
        if min(one[3], other[3]) - max(one[1], other[1]) > 1
        and min(one[4], other[4]) - max(one[2], other[2]) > 1
    ]
