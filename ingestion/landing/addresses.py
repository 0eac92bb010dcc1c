"""E-mail addresses in text, compared as people mean them.

In: text of any kind, such as JSON as it was served. Out: the addresses in it and where they are.
Letter case, Unicode form (NFKC), characters that nobody sees, escapes of JSON, `%40`, `mailto:` and
the Punycode of a domain make no other address of one. The one of `ana@example.com` is not in
`diana@example.com`, nor in `ana@example.com.au`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MAYBE_ADDRESS = r"@|\uff20|%40|[\\]u(0040|[fF]{2}20)"
"""A regular expression, alike in Python and PostgreSQL: what has no match says no address."""

_UNSEEN = "\N{WORD JOINER}"
_INVISIBLE = "\xad\u200b-\u200f\u2060\ufeff"

_ESCAPE = re.compile(
    r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\u([0-9a-f]{4})|(%40)|(\\[bfnrt\"/])", re.I
)

# marks of any script count too, which letters decompose into
_LETTER = rf"\w\u0300-\u036f\u0590-\u1fff\u3099\u309a{_INVISIBLE}"
_AT = re.compile("[@\N{FULLWIDTH COMMERCIAL AT}]")
_DOMAIN = re.compile(rf"[{_LETTER}-]+(?:\.[{_LETTER}-]+)*")

_SEPARATORS = "!#$&*/=?^`{|}~"
"""May be in an address before its `@`, and stand more often beside one."""

# read from the `@` on, backwards; an apostrophe is a part inside a word only
_LOCAL = re.compile(rf"(?:[{_LETTER}.+%{re.escape(_SEPARATORS)}-]|'(?=\w))+")
_MAX_LOCAL_LENGTH = 64 * len(r"\u0000")


def addresses_in(text: str) -> frozenset[str]:
    """The addresses that a text says, each in the form that is compared.

    Where a sign can be a part of an address or stand before it, both readings count.

    Args:
        text: Any text, such as a record as it was served.
    """
    return frozenset(address for _, _, address in find_addresses(text))


def address_of(field: str) -> frozenset[str]:
    """The addresses that a field with an address means, in the form that is compared.

    Args:
        field: An address, perhaps with a name beside it, or several.
    """
    longest: dict[int, str] = {}
    for _, end, address in find_addresses(field):
        # the longest reading comes first
        longest.setdefault(end, address.lstrip(_SEPARATORS))
    return frozenset(longest.values())


def find_addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """Finds each reading of each address: where it starts and ends, and the form compared.

    Args:
        text: Any text.
    """
    plain = _without_escapes(text)
    for sign in _AT.finditer(plain):
        domain = _DOMAIN.match(plain, sign.end())
        if domain is None:
            continue
        for start in _starts(plain, sign.start()):
            local = plain[start : sign.start()].lstrip(_UNSEEN)
            address = f"{_compared(local)}@{_compared_domain(domain[0])}"
            yield sign.start() - len(local), domain.end(), address


def _starts(text: str, end: int) -> list[int]:
    """Where the part before an `@` can start, the longest reading first."""
    local = _LOCAL.match(text[max(0, end - _MAX_LOCAL_LENGTH) : end][::-1])
    if local is None:
        return []
    start = end - local.end()
    after = [place for place in range(start + 1, end) if text[place - 1] in _SEPARATORS]
    return [start, *after]


def _without_escapes(text: str) -> str:
    """The text with its escapes read, each letter where it was: unseen characters fill up."""
    if "\\" not in text and "%40" not in text:
        return text
    return _ESCAPE.sub(_read_escape, text)


def _read_escape(escape: re.Match[str]) -> str:
    high, low, single, percent, other = escape.groups()
    if high:
        letter = chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    elif single:
        letter = chr(int(single, 16))
    elif percent:
        letter = "@"
    else:
        letter = other[1] if other[1] in '"/' else " "
    return letter.ljust(len(escape[0]), _UNSEEN)


def _compared(text: str) -> str:
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", re.sub(f"[{_INVISIBLE}]", "", text)).casefold()
    return unicodedata.normalize("NFKC", folded)


def _compared_domain(text: str) -> str:
    domain = _compared(text)
    if "xn--" in domain:
        try:
            return _compared(domain.encode().decode("idna"))
        except UnicodeError:
            # no Punycode, whatever it looks like
            return domain
    return domain
