"""Asks a person before what cannot be undone.

In: a question, on a terminal. Out: yes or no, or an error where nobody can be asked.
"""

from __future__ import annotations

import sys

import click

from warehouse.errors import ConsentError


def agrees(question: str, deed: str) -> bool:
    """Whether the person at the terminal says yes.

    Args:
        question: What they are asked.
        deed: What would be done, as it follows "to".

    Raises:
        ConsentError: There is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise ConsentError(
            f"Nothing was changed: there is no terminal to ask on; add --yes to {deed} without "
            "being asked."
        )
    return click.confirm(question)
