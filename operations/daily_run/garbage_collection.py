"""Python's search for garbage, left out where next to nothing becomes garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Looks for no cycles while the block runs; what nothing refers to is freed all the same.

    Imports and dbt make a million objects that live as long as the block: to go through them again
    and again takes Python a quarter of a build. Nor is what it left looked through afterwards: the
    process ends soon, and takes it along.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()
