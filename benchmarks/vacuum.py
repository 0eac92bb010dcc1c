"""What autovacuum does between two days, done at once: `vacuum analyze` of a database.

In: LISTENHOUSE_DATABASE_URL. Out: nothing.
"""

from __future__ import annotations

import psycopg

from warehouse.settings import read_settings


def main() -> None:
    """Vacuums the database of the settings."""
    url = read_settings().database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


if __name__ == "__main__":
    main()
