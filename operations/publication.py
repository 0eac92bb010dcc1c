"""Which day people read, and why it is not the one that was built last.

In: what dbt writes down when it publishes (macros/publication/publish.sql). Out: a time, a reason.
"""

from __future__ import annotations

from datetime import datetime

import psycopg

from warehouse.database import table_exists


def published_boundary(connection: psycopg.Connection) -> datetime | None:
    """The crawl that people read marts as of, in UTC; None where nothing was ever published.

    Args:
        connection: Connection to the warehouse.
    """
    if not table_exists(connection, "intermediate", "published_builds"):
        return None
    row = connection.execute(
        "select max(boundary_at) from intermediate.published_builds"
    ).fetchone()
    return row[0] if row else None


def unpublished_reason(connection: psycopg.Connection) -> str | None:
    """Why what was built last was not published; None where it was, or nothing was built.

    Args:
        connection: Connection to the warehouse.
    """
    if not table_exists(connection, "ops", "publications"):
        return None
    row = connection.execute(
        """
        select reason
        from ops.publications
        order by decided_at desc
        limit 1
        """
    ).fetchone()
    return row[0] if row else None
