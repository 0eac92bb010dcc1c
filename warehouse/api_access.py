"""Who may ask the API: keys, and origins of pages in browsers.

In: settings as they are written. Out: keys and origins that can be used.
"""

from __future__ import annotations

import re
from pathlib import Path

from warehouse.errors import SettingsError

# what `secrets.token_urlsafe(12)` makes; a shorter one can be guessed
_MIN_KEY_LENGTH = 16


def read_api_keys(keys: str | None, file: Path | None) -> tuple[str, ...]:
    """Reads the keys from their settings.

    Args:
        keys: Keys, separated by commas.
        file: A file with a key on each line.

    Raises:
        SettingsError: The file cannot be read, there are no keys after all, or one is too weak.
    """
    try:
        lines = file.read_text(encoding="ascii").splitlines() if file else []
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it has more than ASCII in it"
        raise SettingsError(
            f"LISTENHOUSE_API_KEYS_FILE names {file}, which cannot be read ({cause}): name a file "
            "with a key on each line."
        ) from error
    written = tuple(filter(None, map(str.strip, [*(keys or "").split(","), *lines])))
    # who names keys and gives none does not wish for an open door
    if (keys or file) and not written:
        raise SettingsError(
            "LISTENHOUSE_API_KEYS or LISTENHOUSE_API_KEYS_FILE is set, but there is no key in it: "
            "write one, or unset it."
        )
    for key in written:
        if len(key) < _MIN_KEY_LENGTH or not re.fullmatch(r"[!-~]+", key):
            # the key is not repeated
            raise SettingsError(
                f"A key in LISTENHOUSE_API_KEYS or LISTENHOUSE_API_KEYS_FILE has fewer than "
                f"{_MIN_KEY_LENGTH} characters, or others than ASCII: make one with `python -c "
                "'import secrets; print(secrets.token_urlsafe(32))'`."
            )
    return written


def read_origins(origins: str | None) -> tuple[str, ...]:
    """Reads the origins from their setting.

    Args:
        origins: Origins, separated by commas.

    Raises:
        SettingsError: One is no origin.
    """
    written = tuple(filter(None, map(str.strip, (origins or "").split(","))))
    for origin in written:
        if not re.fullmatch(r"\*|https?://[\w.-]+(:\d+)?", origin, re.ASCII):
            raise SettingsError(
                f"LISTENHOUSE_CORS_ORIGINS has {origin!r} in it; an origin is written like "
                "https://house.example, without a path, or * for all."
            )
    return written
