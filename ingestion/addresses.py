"""E-mail addresses in text: where a given one stands whole, and which ones there are.

In: text of any kind. Out: a pattern that Python and PostgreSQL read alike, or addresses. The one of
`ana@example.com` is not in `diana@example.com`, nor in `ana@example.com.au`.
"""

from __future__ import annotations

import re

_LOCAL = r"[\w.+%-]"

_ADDRESS = re.compile(rf"{_LOCAL}+@[\w-]+(?:\.[\w-]+)+")


def pattern_of(address: str) -> str:
    """A regular expression that finds an address where it stands whole.

    Args:
        address: The address.
    """
    return rf"(?<!{_LOCAL}){re.escape(address)}(?!\.?[\w-])"


def addresses_in(text: str) -> frozenset[str]:
    """The addresses that a text says.

    Args:
        text: Any text, such as a record as it was served.
    """
    return frozenset(_ADDRESS.findall(text))
