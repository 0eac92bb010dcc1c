"""What a tag says about itself: the version's part of the changelog, or why there is none."""

from __future__ import annotations

import pytest

from documentation.release_notes import ReleaseError, notes_of

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Something to come.

## [0.2.0] - 2026-12-01

### Added

- A door.

## [0.1.0] - 2026-11-01

- A house.

[0.2.0]: https://example.com
"""


@pytest.mark.parametrize(
    ("version", "notes"), [("0.2.0", "### Added\n\n- A door."), ("0.1.0", "- A house.")]
)
def test_a_version_has_its_own_changes_only(version: str, notes: str) -> None:
    assert notes_of(f"v{version}", version, CHANGELOG) == notes


@pytest.mark.parametrize(
    ("tag", "version", "reason"),
    [
        ("v0.2.1", "0.2.0", "tag v0.2.0, or change the version"),
        ("0.2.0", "0.2.0", "tag v0.2.0, or change the version"),
        ("v0.3.0", "0.3.0", r"no changes under '## \[0.3.0\]"),
        ("v0.1", "0.1", r"no changes under '## \[0.1\]"),
    ],
)
def test_a_tag_that_is_no_release_is_refused(tag: str, version: str, reason: str) -> None:
    with pytest.raises(ReleaseError, match=reason):
        notes_of(tag, version, CHANGELOG)
