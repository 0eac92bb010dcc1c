"""What keeps a person from being forgotten."""

from __future__ import annotations

from warehouse.errors import ListenhouseError


class ErasureError(ListenhouseError):
    """A person cannot be forgotten, or something of them is left."""
