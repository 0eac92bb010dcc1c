"""dbt's sessions with PostgreSQL, kept from one node to the next.

dbt-postgres opens a session for every model and test, and a new one reads the catalog again: with
two hundred nodes that takes PostgreSQL a second, however little they do. dbt-snowflake has a
setting for this, `reuse_connections`; dbt-postgres has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.adapters.postgres.impl import PostgresAdapter


class _KeptSessions(PostgresConnectionManager):
    """Keeps a thread's session when a node is done with it.

    What the node leaves behind, a transaction or temporary tables, goes with the node. A session
    that was lost is closed, and the next node opens another.
    """

    def release(self) -> None:
        session = self.get_if_exists()
        if session is None or session.state != ConnectionState.OPEN:
            return
        try:
            session.handle.rollback()
            session.transaction_open = False
            with session.handle.cursor() as cursor:
                cursor.execute("discard temp")
            session.handle.commit()
        except Exception:
            # as of a server that ended it
            super().release()


@contextmanager
def kept_sessions() -> Iterator[None]:
    """Has dbt keep its sessions while the block runs; it closes them when its command is done."""
    manager = PostgresAdapter.ConnectionManager
    PostgresAdapter.ConnectionManager = _KeptSessions
    try:
        yield
    finally:
        PostgresAdapter.ConnectionManager = manager
