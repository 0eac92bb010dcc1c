"""Secrets and values of records are taken out of texts; what happened stays."""

from __future__ import annotations

import pytest

from warehouse.redaction import redacted, without_values


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            'invalid input syntax for type integer: "Mathilde"\ncolumn "id" of relation "users"',
            'invalid input syntax for type integer: …\ncolumn "id" of relation "users"',
        ),
        ('value too long: "Ada "The Cat" Ng"\nnext', "value too long: …\nnext"),
        ('CONTEXT:  COPY users, line 1: "1\tAda\nNg', "CONTEXT:  COPY users, line 1: …"),
        ("no such file: 'Ada.csv'. It's gone", "no such file: …. It's gone"),
        (
            "DETAIL:  Key (email)=(a@b.example) already exists.",
            "DETAIL:  Key (email)=(…) already exists.",
        ),
        ("DETAIL:  Failing row contains (1, Ada,\nNg).", "DETAIL:  Failing row contains …"),
        ("unnamed portal with parameters: $1 = 'Ada'", "unnamed portal with parameters: $1 = …"),
        ('relation "users" does not exist', 'relation "users" does not exist'),
    ],
)
def test_a_message_keeps_what_happened_and_loses_whose_value_it_was(said: str, kept: str) -> None:
    assert without_values(said) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("404 for url http://ada:hunter2@h.example/users", "404 for url http://…@h.example/users"),
        ("postgresql://ada:hunter@2@h.example/x", "postgresql://…@h.example/x"),
        (
            "Max retries exceeded with url: /services/T1/hunter2 (x)",
            "Max retries exceeded with url: … (x)",
        ),
        ("host=h password=hunter2 user=ada", "host=h password=… user=ada"),
        ("https://h.example/hook?token=hunter2&a=1", "https://h.example/hook?token=…&a=1"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer …"),
        ("mail to ada.ng+x@mail.example.org failed", "mail to … failed"),
        ("the word hunter2 alone", "the word … alone"),
        ("http://127.0.0.1:8420/users", "http://127.0.0.1:8420/users"),
    ],
)
def test_a_text_loses_secrets_and_addresses(said: str, kept: str) -> None:
    assert redacted(said, {"hunter2"}) == kept
