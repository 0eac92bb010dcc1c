"""What neither logs nor records of runs may hold: secrets, and values of records.

In: a text that a person or a library wrote. Out: the text without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MAX_MESSAGE_LENGTH = 2000

_VALUES = (
    # in quotes after a colon, to the last quote on the line: a value can hold quotes itself
    (re.compile(r": (['\"])(?:.*\1(?!\w)|[\s\S]*)"), ": …"),
    # Key (email)=(ada@example.org) already exists
    (re.compile(r"\)=\(.*\)"), ")=(…)"),
    # Failing row contains (1, Ada, …)
    (re.compile(r"(row contains) \([\s\S]*"), r"\1 …"),
    # parameters: $1 = 'Ada'
    (re.compile(r"(\$\d+) = .*"), r"\1 = …"),
)

_SECRETS = (
    # user and password in a URL
    (re.compile(r"(?<=://)[^\s/?#]*@"), "…@"),
    # what requests and urllib3 asked for: the path of a webhook is its key
    (re.compile(r"(with url: )\S+"), r"\1…"),
    (
        re.compile(
            r"(?i)(?<![\w-])([\w-]*(?:password|secret|token|api[_-]?key|signature|\bsig)=)[^\s&]+"
        ),
        r"\1…",
    ),
    (re.compile(r"(?i)(authorization: *\w+ )\S+"), r"\1…"),
)

# from the start of a word on: in a long one every other start would be tried in vain
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]+(?:\.[\w-]+)+")


def without_values(message: str) -> str:
    """A message without the values that PostgreSQL quotes in it, which can be somebody's name.

    Args:
        message: What went wrong, as PostgreSQL, dlt or dbt say it.

    Returns:
        Its first 2,000 characters, with an ellipsis for each value.
    """
    for pattern, replacement in _VALUES:
        message = pattern.sub(replacement, message)
    return message[:_MAX_MESSAGE_LENGTH]


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """A text for a log: no values of records, no passwords, no tokens, no e-mail addresses.

    Args:
        text: Any text.
        secrets: Passwords and tokens that are known, wherever they stand.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return without_values(_EMAIL.sub("…", text))
