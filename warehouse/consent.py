"""Asks a person before what cannot be undone, and says who it was.

In: a question, on a terminal. Out: yes or no, or an error where nobody can be asked; a name.
"""

from __future__ import annotations

import getpass
import socket
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


def describe_operator() -> str:
    """Who runs this, and where: a name on a machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # a container can run as a user without a name
        user = "unknown"
    return f"{user} on {socket.gethostname()}"
