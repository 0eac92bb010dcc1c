"""How every page is made: one template environment, one style, one file that is whole or absent.

In: a template of `page/` and what it shows. Out: an HTML document, and a file of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from warehouse.errors import OutputError

PAGE_FOLDER = Path(__file__).parent

_SHARED_STYLE = "house.css"

_PAGES = {"listening.html": "Listening", "wrapped.html": "Wrapped", "health.html": "Health"}


def render(
    name: str, values: Mapping[str, object], filters: Mapping[str, Callable[..., object]]
) -> str:
    """Writes a page; everything in it is escaped, unless it is markup already.

    Args:
        name: The page's template is `<name>.html.jinja`, its style `<name>.css` on top of the one
            that all pages share.
        values: What the template shows.
        filters: What it words figures with.

    Returns:
        A complete HTML document.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    style = "".join(
        (PAGE_FOLDER / file).read_text(encoding="utf-8") for file in (_SHARED_STYLE, f"{name}.css")
    )
    return environment.get_template(f"{name}.html.jinja").render(
        style=Markup(style),  # noqa: S704 (ours)
        **values,
    )


def links_from(output: Path) -> list[tuple[str, str]]:
    """The other pages in the folder of one, by file and name, to lead from one to the next.

    Args:
        output: The file of the page.
    """
    return [
        (file, name)
        for file, name in _PAGES.items()
        if file != output.name and (output.parent / file).exists()
    ]


def write_whole(page: str, output: Path) -> None:
    """Writes the file, whole or not at all.

    Args:
        page: The document.
        output: The file; folders above it are made.

    Raises:
        OutputError: The file cannot be written.
    """
    draft = output.with_name(f".{output.name}.draft")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(page, encoding="utf-8")
        draft.replace(output)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise OutputError(
            f"The page cannot be written to {output} ({error.strerror}): name another file with "
            "--output."
        ) from error
