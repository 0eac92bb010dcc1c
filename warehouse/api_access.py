"""Who may ask the API: keys, and origins of pages in browsers.

In: settings as they are written. Out: keys and origins that can be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# what `secrets.token_urlsafe(12)` makes; a shorter one can be guessed
_MIN_KEY_LENGTH = 16


def parse_api_keys(written: str | Sequence[str]) -> tuple[str, ...]:
    """Takes keys apart.

    Args:
        written: Keys, separated by commas, or apart already.

    Raises:
        ValueError: There are no keys after all, or one is too weak.
    """
    keys = _parts(written)
    # who names keys and gives none does not wish for an open door
    if written and not keys:
        raise ValueError(
            "or LISTENHOUSE_API_KEYS_FILE is set, but there is no key in it: write one, or unset "
            "it."
        )
    for key in keys:
        if len(key) < _MIN_KEY_LENGTH or not re.fullmatch(r"[!-~]+", key):
            # the key is not repeated
            raise ValueError(
                f"or LISTENHOUSE_API_KEYS_FILE has a key in it that has fewer than "
                f"{_MIN_KEY_LENGTH} characters, or others than ASCII: make one with `python -c "
                "'import secrets; print(secrets.token_urlsafe(32))'`."
            )
    return keys


def parse_origins(written: str | Sequence[str]) -> tuple[str, ...]:
    """Takes origins apart.

    Args:
        written: Origins, separated by commas, or apart already.

    Raises:
        ValueError: One is no origin.
    """
    origins = _parts(written)
    for origin in origins:
        if not re.fullmatch(r"\*|https?://[\w.-]+(:\d+)?", origin, re.ASCII):
            raise ValueError(
                f"has {origin!r} in it; an origin is written like https://house.example, without "
                "a path, or * for all."
            )
    return origins


def _parts(written: str | Sequence[str]) -> tuple[str, ...]:
    parts = written.split(",") if isinstance(written, str) else written
    return tuple(filter(None, map(str.strip, parts)))
