"""The page of all settings says what the code declares."""

from __future__ import annotations

from documentation.settings_page import FILE, settings_page


def test_the_page_of_settings_is_what_the_settings_declare() -> None:
    assert FILE.read_text() == settings_page(), "python -m documentation.settings_page"
