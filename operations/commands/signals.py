"""SIGTERM, as a scheduler sends it, ends a command as Ctrl-C does."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

from warehouse.errors import Termination


def end_on_sigterm() -> None:
    """From now on SIGTERM raises `Termination`."""
    signal.signal(signal.SIGTERM, _raise_termination)


def _raise_termination(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Termination
