"""One address is found however it is written, and no other is taken for it."""

from __future__ import annotations

import pytest

from ingestion.landing.addresses import address_of, addresses_in, find_addresses

ANA, JOSE = "ana@example.com", "jos\N{LATIN SMALL LETTER E WITH ACUTE}@example.com"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ana@Example.COM", ANA),
        (" ana@example.com\n", ANA),
        ("mailto:ana@example.com?subject=hello", ANA),
        ("Ana Ng <ana@example.com>", ANA),
        ("'ana@example.com'", ANA),
        ("\N{LEFT DOUBLE QUOTATION MARK}ana@example.com\N{RIGHT DOUBLE QUOTATION MARK}", ANA),
        ("to=ana%40example.com&x=1", ANA),
        (r'{"email": "\u003cana\u0040example.com\u003e"}', ANA),
        (r'{"text": "Dear\nana@example.com."}', ANA),
        ("ana\N{SOFT HYPHEN}@example\N{ZERO WIDTH SPACE}.com", ANA),
        ("\N{MATHEMATICAL BOLD SMALL A}na@example.com", ANA),
        (r"\ud835\udc1ana@example.com", ANA),
        ("\ud800ana@example.com", ANA),
        ("jose\N{COMBINING ACUTE ACCENT}@example.com", JOSE),
        ("JOSE\N{COMBINING ACUTE ACCENT}@example.com", JOSE),
        (r"jos\u00e9@example.com", JOSE),
        ("o'brien@example.com", "o'brien@example.com"),
        ("to=a/b@example.com", "a/b@example.com"),
        ("ana@xn--mnchen-3ya.de", "ana@m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.de"),
        ("ana@xn--.de", "ana@xn--.de"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_an_address_is_found_in_any_form(text: str, address: str) -> None:
    assert address in addresses_in(text)
    places = [text[start:end] for start, end, found in find_addresses(text) if found == address]
    assert len(places) == 1
    assert addresses_in(places[0]) >= {address}


@pytest.mark.parametrize(
    "text",
    [
        "diana@example.com",
        "x.ana@example.com",
        "ana@example.com.au",
        "ana@example.com-x",
        "ana @example.com",
        "ana@",
        "@example.com",
        r"di\u0061na@example.com",
        "o'ana@example.com",
    ],
)
def test_another_address_is_not_taken_for_it(text: str) -> None:
    assert ANA not in addresses_in(text)


def test_a_field_means_whole_addresses() -> None:
    # what a text can mean beside is somebody else's
    assert address_of("a/b@example.com, Bo <bo@example.org>") == {
        "a/b@example.com",
        "bo@example.org",
    }
    # far beyond what an address has before its sign: looked at once, not from each letter on
    assert "a@a" in addresses_in("a" * 1_000_000 + "@example.com" + "a@" * 10_000)
