"""The command line: `python -m documentation.release_notes v1.2.3` prints a version's changes.

In: CHANGELOG.md, the version in pyproject.toml. Out: its section of the changelog.
"""

from __future__ import annotations

import re
import sys
import tomllib

import click

from warehouse.settings import PROJECT_ROOT


class ReleaseError(Exception):
    """A tag cannot become a release; the message says what to mend."""


def notes_of(tag: str, version: str, changelog: str) -> str:
    """Takes the section of a version out of the changelog.

    Args:
        tag: Such as `v1.2.3`.
        version: The version in pyproject.toml.
        changelog: In the form of Keep a Changelog.

    Returns:
        The section, without its heading.

    Raises:
        ReleaseError: The tag is not of this version, or the changelog says nothing of it.
    """
    if tag != f"v{version}":
        raise ReleaseError(
            f"The tag is {tag!r} and the version in pyproject.toml {version}: tag v{version}, or "
            "change the version first."
        )
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    found = re.search(rf"{heading}(.*?)(?=^## |^\[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not (found and found[1].strip()):
        raise ReleaseError(
            f"CHANGELOG.md has no changes under '## [{version}] - YYYY-MM-DD': move those under "
            "'Unreleased' there."
        )
    return found[1].strip()


@click.command(name="python -m documentation.release_notes")
@click.argument("tag")
def main(tag: str) -> None:
    """Prints what changed in the version that TAG names."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    try:
        click.echo(notes_of(tag, project["version"], (PROJECT_ROOT / "CHANGELOG.md").read_text()))
    except ReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
