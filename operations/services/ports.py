"""TCP ports on this machine."""

from __future__ import annotations

import socket


def is_port_taken(port: int) -> bool:
    """Whether something listens on the port of 127.0.0.1.

    Args:
        port: TCP port.
    """
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
