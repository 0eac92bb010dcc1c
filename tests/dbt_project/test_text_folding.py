"""Names that are the same are so in every locale that a database can have."""

# ruff: noqa: RUF001 (letters that look alike are what it is about)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from operations.services import embedded_postgres
from tests import programs
from tests.conftest import free_port
from tests.dbt_project.warehouse_build import Warehouse
from warehouse.settings import Settings

LOCALES = {
    "C": "locale 'C'",
    "Unicode": "locale_provider builtin builtin_locale 'PG_UNICODE_FAST'",
    "Turkish": "locale_provider icu icu_locale 'tr-TR'",
}
"""That fold nothing but ASCII, every letter by the book, and I to a letter of their own."""

FOLDED = {
    "Indie": "indie",
    "INDİE": "indie",
    "Işık": "işık",
    "ÉLECTRO": "électro",
    # a letter and its accent, in wide letters, as one letter
    "E\u0301lectro": "électro",
    "Ｊａｚｚ\u3000Ｒｏｃｋ": "jazz rock",
    "ﬁlm": "film",
    "ΣΟΦΟΣ": "σοφοσ",
    "Σοφος": "σοφοσ",
    "Σοφός": "σοφόσ",
    "ЁЛКА": "ёлка",
    "STRAẞE": "straße",
    "ŁÓDŹ": "łódź",
    "日本": "日本",
    # blanks of Unicode's, and what nobody sees
    "\t Hip\u00a0\u2028Hop\u0085": "hip hop",
    "\ufeffHip\u200b \u200eHop\u200d": "hip hop",
    "Hip\u00adHop": "hiphop",
    "❤\ufe0f": "❤",
    "\u2003\u200b": None,
    "\u3164": None,
    "": None,
}

SHOWN = {
    " The\u2003 Cure\u00a0": "The Cure",
    "ﬁlm": "ﬁlm",
    "❤\ufe0f": "❤\ufe0f",
    "\u2003\u200b": None,
    "\u3164": None,
}


@pytest.fixture(scope="module")
def server_with_icu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A distribution's own server: the embedded one knows no locale in which I is no i."""
    folder = Path(programs.find("PostgreSQL's initdb")).parent
    settings = Settings(home=tmp_path_factory.mktemp("icu"), embedded_port=free_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded_postgres, "_binaries", lambda _directory: folder)
        embedded_postgres.start(settings, {"fsync": "off"})
        yield settings.database_url.rsplit("/", 1)[0]
        embedded_postgres.stop(settings)


@pytest.mark.parametrize("locale", LOCALES)
def test_names_are_folded_the_same_in_every_locale(
    request: pytest.FixtureRequest, postgres_server: str, warehouse: Warehouse, locale: str
) -> None:
    server = request.getfixturevalue("server_with_icu") if locale == "Turkish" else postgres_server
    query = warehouse.rendered(
        "select {{ normalized_text('given') }}, {{ tidy_text('given') }}"
        " from (select cast(%s as text) as given) as texts"
    )
    first = warehouse.rendered(
        "select min({{ in_byte_order('given') }})"
        " from (values ('jazz'), ('Jazz'), ('Äther')) as texts (given)"
    )
    with psycopg.connect(f"{server}/postgres", autocommit=True) as administration:
        administration.execute("drop database if exists folding")
        administration.execute(
            f"create database folding template template0 encoding 'UTF8' {LOCALES[locale]}".encode()
        )
        with psycopg.connect(f"{server}/folding") as connection:
            rows = {
                text: connection.execute(query.encode(), (text,)).fetchone()
                for text in FOLDED | SHOWN
            }
            # one spelling of several
            assert connection.execute(first.encode()).fetchone() == ("Jazz",)
        administration.execute("drop database folding")
    assert {text: row and row[0] for text, row in rows.items() if text in FOLDED} == FOLDED
    assert {text: row and row[1] for text, row in rows.items() if text in SHOWN} == SHOWN
