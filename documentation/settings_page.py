"""The page of all settings, from what declares them: `python -m documentation.settings_page`.

In: `warehouse.settings`. Out: `docs/settings.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic.fields import FieldInfo

from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.variables import declared_variables, expected, is_secret

FILE = PROJECT_ROOT / "docs" / "settings.md"

_BEGINNING = """# Settings

Environment variables. One that is empty counts as unset; one whose value cannot be used ends every
command with a line that names it. What has `…_FILE` can be in the file that a variable of that name
holds instead: [where secrets come from](security.md#secrets). dbt and the targets of its profile:
[your own PostgreSQL](how-to/own-postgresql.md).

`python -m documentation.settings_page` writes this page from `warehouse/settings.py`.
"""

_CHAPTERS = {
    "LISTENHOUSE_HOME": "Where everything is",
    "LISTENHOUSE_CRAWL_THREADS": "The crawl",
    "LISTENHOUSE_TRIGGER": "Runs",
    "LISTENHOUSE_LOG_LEVEL": "Logs",
    "LISTENHOUSE_ALERTS_CONFIG": "Alerts and metrics",
    "LISTENHOUSE_RECOMMEND": "Recommendations",
    "LISTENHOUSE_SERVING_PORT": "The API",
    "LISTENHOUSE_ERASURE_KEY": "Privacy",
    "LISTENHOUSE_LAKE": "The lakehouse",
    "LISTENHOUSE_KAFKA": "Streams",
}
"""Chapters, by the variable that each begins with."""


def main() -> None:
    """Writes the page."""
    FILE.write_text(settings_page(), encoding="utf-8")


def settings_page() -> str:
    """The page, as Markdown."""
    return "\n".join([_BEGINNING.rstrip("\n"), *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    for variable, field in declared_variables(Settings):
        if variable in _CHAPTERS:
            yield from ("", f"## {_CHAPTERS[variable]}", "")
            yield from ("| variable | what | default | must be |", "|---|---|---|---|")
        names = f"`{variable}`" + (", `…_FILE`" if is_secret(field) else "")
        yield f"| {names} | {field.description} | {_default(field)} | {expected(field)} |"


def _default(field: FieldInfo) -> str:
    match field.default:
        case bool(is_on):
            return "`yes`" if is_on else "`no`"
        case ZoneInfo(key=name):
            return f"`{name}`"
        case Path() as path:
            return f"`{path.relative_to(PROJECT_ROOT)}`"
        case None | () | {}:
            return ""
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    main()
