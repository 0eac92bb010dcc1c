"""Reads variables of the environment: what one holds, or what is wrong with it and what to do.

In: the environment. Out: values of the kinds that settings have. A secret can be in a file instead,
and is never repeated in an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.database_url import check_database_url
from warehouse.errors import SettingsError


@dataclass(frozen=True)
class Variables:
    """Variables that start with `LISTENHOUSE_`; methods take the rest of the name.

    Attributes:
        environ: Where they are. One that is empty counts as unset.
    """

    environ: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """What it holds, without spaces around it."""
        return self.environ.get(f"LISTENHOUSE_{name}", "").strip() or None

    def secret(self, name: str) -> str | None:
        """What it holds, or the file that `…_FILE` names: containers and services have those.

        Raises:
            SettingsError: There is no such file, nothing in it, or both are set and differ.
        """
        value, file = self.text(name), self.path(f"{name}_FILE")
        if file is None:
            return value
        try:
            content = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(
                f"LISTENHOUSE_{name}_FILE names {file}, which cannot be read ({cause}): name a "
                "file with the value alone in it."
            ) from error
        # equal where this process put it there for dbt
        if not content or value not in (None, content):
            cause = "there is nothing in it" if not content else f"LISTENHOUSE_{name} is set too"
            raise SettingsError(
                f"LISTENHOUSE_{name}_FILE names {file}, but {cause}: correct the one or unset the "
                "other."
            )
        return content

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`.

        Raises:
            SettingsError: It is none, or out of these bounds.
        """
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise SettingsError(
                f"LISTENHOUSE_{name} is {value!r}; it must be a whole number from {low} to {high}."
            )
        return int(value)

    def choice(self, name: str, *options: str) -> str:
        """One of these, in lower case; the first where it is unset.

        Raises:
            SettingsError: It is none of them.
        """
        value = (self.text(name) or options[0]).lower()
        if value not in options:
            raise SettingsError(
                f"LISTENHOUSE_{name} is {value!r}; it must be one of {', '.join(options)}."
            )
        return value

    def path(self, name: str) -> Path | None:
        """A path, absolute.

        Raises:
            SettingsError: It begins with the home of a user that does not exist.
        """
        value = self.text(name)
        try:
            return Path(value).expanduser().resolve() if value else None
        except RuntimeError as error:
            raise SettingsError(f"LISTENHOUSE_{name} is {value!r}: {error}") from error

    def url(self, name: str, *schemes: str) -> str | None:
        """A URL with one of these schemes and a host.

        Raises:
            SettingsError: It is none.
        """
        value = self.secret(name)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable:
            # the value itself is not repeated: a connection URL can hold a password
            raise SettingsError(
                f"LISTENHOUSE_{name} is not a URL that starts with {' or '.join(schemes)}:// "
                "and names a host; correct it, or unset it for the default."
            )
        return value

    def database_url(self, name: str) -> str | None:
        """A URL of PostgreSQL that every part can connect by.

        Raises:
            SettingsError: It is none.
        """
        value = self.secret(name)
        if value is not None:
            check_database_url(f"LISTENHOUSE_{name}", value)
        return value
